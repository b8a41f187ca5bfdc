//! Rows that one statement adds together.

use std::borrow::Cow;

use protocol::ports::Bound;

use super::super::dialect::Asked;

/// Rows of one statement at most. Their number is a power of two: every number has a text of its own, and all of them
/// stay prepared.
const MOST: usize = 64;
/// Their texts, in bytes: far less than what MySQL takes in one message (16 MiB and more).
const MOST_BYTES: usize = 1 << 20;

/// How many of the statements, which are not none, from the first on are one to MySQL.
pub(super) fn together(statements: &[Asked<'_>]) -> usize {
    let Some(first) = statements.first().filter(|asked| asked.statement.adds) else { return 1 };
    let (mut count, mut bytes) = (0_usize, 0);
    for asked in statements.iter().take(MOST) {
        bytes += size(&asked.statement.values);
        let is_same = asked.statement.adds && asked.statement.sql == first.statement.sql;
        if !is_same || (count > 0 && bytes > MOST_BYTES) {
            break;
        }
        count += 1;
    }
    1 << count.max(1).ilog2()
}

fn size(values: &[Bound]) -> usize {
    let text = |value: &Bound| if let Bound::Text(text) = value { text.len() } else { 0 };
    values.iter().map(text).sum()
}

/// The text that adds so many rows, from the one that adds one.
pub(super) fn text<'s>(one: &Cow<'s, str>, rows: usize) -> Cow<'s, str> {
    let marks = || {
        let (head, rest) = one.split_once(VALUES)?;
        let (row, tail) = rest.split_once(')')?;
        Some((head, format!("({row})"), tail))
    };
    match marks().filter(|_| rows > 1) {
        Some((head, row, tail)) => {
            let all = vec![row; rows].join(", ");
            Cow::Owned(format!("{head}{}{all}{tail}", VALUES.trim_end_matches('(')))
        }
        None => one.clone(),
    }
}

const VALUES: &str = " VALUES (";

#[cfg(test)]
mod tests {
    use super::super::super::statement::Statement;
    use super::*;

    #[test]
    fn a_row_is_repeated_between_its_head_and_its_tail() {
        let one = Cow::Borrowed("INSERT INTO `a` (`b`, `c`) VALUES (?, ?) ON DUPLICATE KEY UPDATE b = b");
        assert_eq!(text(&one, 1), one);
        let two = "INSERT INTO `a` (`b`, `c`) VALUES (?, ?), (?, ?) ON DUPLICATE KEY UPDATE b = b";
        assert_eq!(text(&one, 2), two);
    }

    #[test]
    fn neighbours_that_add_the_same_go_together_by_powers_of_two_and_not_too_long() {
        let adds = |sql, bytes| Statement::new(sql).adding().with("x".repeat(bytes));
        let plain = |sql| Statement::new(sql).with(1_i64);
        for (statements, expected) in [
            (vec![adds("a", 1); 1], 1),
            (vec![adds("a", 1); 7], 4),
            (vec![adds("a", 1); 200], 64),
            (vec![adds("a", 1), adds("b", 1)], 1),
            (vec![adds("a", 1), adds("a", 1), adds("b", 1)], 2),
            (vec![plain("a"), plain("a")], 1),
            (vec![adds("a", MOST_BYTES / 2); 9], 2),
            (vec![adds("a", 2 * MOST_BYTES); 9], 1),
        ] {
            let asked: Vec<_> = statements.iter().map(Asked::of).collect();
            assert_eq!(together(&asked), expected, "{} of {}", statements.len(), statements[0].sql);
        }
    }
}
