//! Short lists of rows that rarely change: whose number that is, which carriers there are, what a call costs.
//!
//! A list is kept until the writer changes any row of its resource, and not at all where that happens often.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::Row;
use protocol::ports::Bound;
use tokio::time::{Duration, Instant};

use super::recent::FRESH;
use super::statement::Statement;

/// Rows of a list that is kept, at most.
const FEW: usize = 16;
/// Lists kept at most: some 16 MiB of rows at the worst. Beyond that all are forgotten and the busy ones come back.
const MOST: usize = 256;
/// A resource of which nothing has changed for so long rarely changes.
const CALM: Duration = Duration::from_secs(1);

/// The text of a list with its values.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Question(Cow<'static, str>, Vec<Bound>);

impl Question {
    pub(super) fn of(statement: &Statement) -> Self {
        Question(statement.sql.clone(), statement.values.clone())
    }
}

pub(super) enum Known {
    Rows(Arc<[Row]>),
    /// Read it, and say so with the ticket if there is one.
    Unknown(Option<Ticket>),
}

/// How often the resource had changed when the list was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

#[derive(Default)]
pub(super) struct Lists(Mutex<All>);

#[derive(Default)]
struct All {
    resources: HashMap<&'static str, Changes>,
    lists: HashMap<Question, List>,
}

#[derive(Default)]
struct Changes {
    count: u64,
    /// Rows that the writer is changing right now.
    held: usize,
    last: Option<Instant>,
}

struct List {
    rows: Arc<[Row]>,
    since: Instant,
    ticket: Ticket,
}

impl Lists {
    pub(super) fn look(&self, resource: &'static str, statement: &Statement) -> Known {
        let mut all = self.lock();
        let changes = all.resources.entry(resource).or_default();
        if changes.held > 0 || changes.last.is_some_and(|last| last.elapsed() < CALM) {
            return Known::Unknown(None);
        }
        let ticket = Ticket(changes.count);
        match all.lists.get(&Question::of(statement)) {
            Some(list) if list.ticket == ticket && list.since.elapsed() < FRESH => {
                Known::Rows(list.rows.clone())
            }
            _ => Known::Unknown(Some(ticket)),
        }
    }

    /// Keeps what was read, unless the resource has changed since the ticket was given.
    pub(super) fn keep(&self, resource: &'static str, ticket: Ticket, question: Question, rows: &[Row]) {
        let mut all = self.lock();
        let is_so = |changes: &Changes| changes.held == 0 && Ticket(changes.count) == ticket;
        if rows.len() > FEW || !all.resources.get(resource).is_some_and(is_so) {
            return;
        }
        if all.lists.len() >= MOST {
            all.lists.clear();
        }
        all.lists.insert(question, List { rows: rows.into(), since: Instant::now(), ticket });
    }

    /// A row of each of these is being changed, until it is settled.
    pub(super) fn hold(&self, resources: impl Iterator<Item = &'static str>) {
        let mut all = self.lock();
        for resource in resources {
            let changes = all.resources.entry(resource).or_default();
            (changes.count, changes.held) = (changes.count + 1, changes.held + 1);
        }
    }

    pub(super) fn settle(&self, resources: impl Iterator<Item = &'static str>) {
        let (mut all, now) = (self.lock(), Instant::now());
        for resource in resources {
            let changes = all.resources.entry(resource).or_default();
            (changes.held, changes.last) = (changes.held.saturating_sub(1), Some(now));
        }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn asked() -> Statement {
        Statement::new("SELECT 1 FROM `number` WHERE `number` = ?").with("+15550100")
    }

    fn ticket(lists: &Lists) -> Option<Ticket> {
        match lists.look("number", &asked()) {
            Known::Unknown(ticket) => ticket,
            Known::Rows(rows) => panic!("known: {rows:?}"),
        }
    }

    fn keep(lists: &Lists, ticket: Ticket, rows: usize) {
        lists.keep("number", ticket, Question::of(&asked()), &vec![Row::new(); rows]);
    }

    fn is_known(lists: &Lists) -> bool {
        matches!(lists.look("number", &asked()), Known::Rows(_))
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_read_once_until_its_resource_changes_or_it_is_old() {
        let lists = Lists::default();
        keep(&lists, ticket(&lists).expect("it never changed"), 1);
        assert!(is_known(&lists));
        let other = Statement::new("SELECT 1 FROM `number` WHERE `number` = ?").with("+15550101");
        assert!(matches!(lists.look("number", &other), Known::Unknown(Some(_))));
        lists.hold(["rate"].into_iter());
        assert!(is_known(&lists));
        advance(FRESH).await;
        keep(&lists, ticket(&lists).expect("it is old"), 1);
        lists.hold(["number"].into_iter());
        assert!(ticket(&lists).is_none());
        lists.settle(["number"].into_iter());
        assert!(ticket(&lists).is_none(), "it has just changed");
        advance(CALM).await;
        keep(&lists, ticket(&lists).expect("calm"), 1);
        assert!(is_known(&lists));
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_while_it_is_read_and_what_is_long_is_not_kept() {
        let lists = Lists::default();
        let old = ticket(&lists).expect("it never changed");
        lists.hold(["number"].into_iter());
        keep(&lists, old, 1);
        lists.settle(["number"].into_iter());
        keep(&lists, old, 1);
        advance(CALM).await;
        keep(&lists, ticket(&lists).expect("calm"), FEW + 1);
        assert!(!is_known(&lists));
    }
}
