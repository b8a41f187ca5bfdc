//! What the plans allow.

/// Tokens of a month.
pub(super) fn tokens(plan: &str) -> i64 {
    match plan {
        "basic" => 1_000,
        "professional" => 10_000,
        "unlimited" => 0,
        _ => 100,
    }
}

/// Accounts of this plan are not charged and need no balance.
pub(super) fn is_free_of_charge(plan: &str) -> bool {
    plan == "unlimited"
}

/// How many of a resource a customer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Most {
    Any,
    Count(u64),
}

/// `None` for a kind of resource that no plan knows. A plan that is unknown is the smallest.
pub(super) fn most(plan: &str, resource: &str) -> Option<Most> {
    let [free, basic, professional] = match resource {
        "extension" | "agent" | "virtual_number" => [5, 50, 500],
        "queue" | "conference" => [2, 10, 100],
        "trunk" => [1, 5, 50],
        "flow" => return Some(Most::Any),
        _ => return None,
    };
    Some(match plan {
        "unlimited" => Most::Any,
        "professional" => Most::Count(professional),
        "basic" => Most::Count(basic),
        _ => Most::Count(free),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_what_their_table_says() {
        assert_eq!(most("free", "trunk"), Some(Most::Count(1)));
        assert_eq!(most("basic", "conference"), Some(Most::Count(10)));
        assert_eq!(most("professional", "virtual_number"), Some(Most::Count(500)));
        assert_eq!(most("unlimited", "agent"), Some(Most::Any));
        assert_eq!(most("free", "flow"), Some(Most::Any));
        assert_eq!(most("free", "spaceship"), None);
        assert_eq!(most("", "extension"), Some(Most::Count(5)));
        assert_eq!(["free", "basic", "professional", "unlimited"].map(tokens), [100, 1_000, 10_000, 0]);
    }
}
