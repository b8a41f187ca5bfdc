//! Rows that were read lately. Most requests read the same few rows again and again: a call, its customer,
//! its account.
//!
//! The writer holds the rows that it changes from before its transaction until it answers, and a held row is
//! read anew and not kept. So whoever knows of a change sees it, be it from the answer or from the outbox,
//! which may see the commit first. A row that is being read when the writer takes it is not kept either: the
//! reader's ticket is gone by then. What is stored replaces what was held, where the change says what it made of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{Cell, Kind, Resource, Row};
use serde_json::Value;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use super::lists::Lists;

/// The name of a resource and the id of a row.
pub(super) type Key = (&'static str, Uuid);

/// Rows kept at most: some 10 MiB. Beyond that all are forgotten and the busy ones come back.
const MOST: usize = 4096;
/// Rows that are looked through for those that are stale, at the least: fewer are not worth it.
const FEW: usize = 64;
/// Another process may have the same file open, and a commit of which nothing was heard may still land: what they
/// change is seen after this time.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// How times are kept.
const STAMP: &str = "2026-01-02T03:04:05.000006Z";
/// Tickets begin at one.
const NO_TICKET: u64 = 0;

/// A row that a job changes.
pub(super) struct Touch {
    pub(super) key: Key,
    /// What it is then, as it would be read. `None` when that is not known, or nothing.
    after: Option<Arc<Row>>,
}

impl Touch {
    pub(super) fn new(resource: &Resource, id: Uuid, after: Option<&Arc<Row>>) -> Self {
        let after = after.filter(|row| is_whole(resource, row)).cloned();
        Touch { key: (resource.name, id), after }
    }
}

/// Has every column, and as the store would give it back; and it is not deleted.
fn is_whole(resource: &Resource, row: &Row) -> bool {
    let is_stamp = |text: &str| text.len() == STAMP.len() && text.ends_with('Z');
    let is_kept = |cell: Cell<'_>| {
        let is_time = cell.column.is_some_and(|(_, field)| field.kind == Kind::Time);
        !is_time || cell.value.as_str().is_none_or(is_stamp)
    };
    row.len() == resource.columns().count()
        && row.get("tm_delete").is_none_or(Value::is_null)
        && resource.cells(row).all(is_kept)
}

#[derive(Default)]
pub(super) struct Recent {
    rows: Mutex<Slots>,
    pub(super) lists: Lists,
}

#[derive(Default)]
struct Slots {
    slots: HashMap<Key, Slot>,
    tickets: u64,
    /// When stale rows were last let go.
    swept: Option<Instant>,
}

enum Slot {
    Row(Arc<Row>, Instant),
    /// Somebody is reading it.
    Loading(u64),
    /// The writer is changing it.
    Held,
}

pub(super) enum Seen {
    Row(Arc<Row>),
    /// Read it, and say so with the ticket.
    Unknown(u64),
}

impl Recent {
    pub(super) fn look(&self, key: Key) -> Seen {
        let mut all = self.lock();
        match all.slots.get(&key) {
            Some(Slot::Row(row, since)) if since.elapsed() < FRESH => return Seen::Row(row.clone()),
            Some(Slot::Held) => return Seen::Unknown(NO_TICKET),
            _ => {}
        }
        all.sweep();
        all.tickets += 1;
        let ticket = all.tickets;
        all.slots.insert(key, Slot::Loading(ticket));
        Seen::Unknown(ticket)
    }

    /// Keeps what was read, unless it was changed or read again since the ticket was given.
    pub(super) fn keep(&self, key: Key, ticket: u64, row: Option<&Arc<Row>>) {
        let mut all = self.lock();
        if !matches!(all.slots.get(&key), Some(Slot::Loading(current)) if *current == ticket) {
            return;
        }
        match row {
            Some(row) => all.slots.insert(key, Slot::Row(row.clone(), Instant::now())),
            None => all.slots.remove(&key),
        };
    }

    /// Until they are settled nobody sees or keeps them.
    pub(super) fn hold<'t>(&self, touches: impl Iterator<Item = &'t Touch> + Clone) {
        self.lists.hold(touches.clone().map(|touch| touch.key.0));
        self.lock().slots.extend(touches.map(|touch| (touch.key, Slot::Held)));
    }

    /// In the order of the changes, with whether each is stored.
    pub(super) fn settle<'t>(&self, touches: impl Iterator<Item = (&'t Touch, bool)> + Clone) {
        self.lists.settle(touches.clone().map(|(touch, _)| touch.key.0));
        let mut all = self.lock();
        for (touch, _) in touches.clone() {
            all.slots.remove(&touch.key);
        }
        for (touch, _) in touches.filter(|(_, is_stored)| *is_stored) {
            match &touch.after {
                Some(row) if all.slots.len() < MOST => {
                    all.slots.insert(touch.key, Slot::Row(row.clone(), Instant::now()));
                }
                Some(_) | None => drop(all.slots.remove(&touch.key)),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    /// Lets go of what nobody would be shown. The memory of a row that is kept too long is cold when it comes back.
    fn sweep(&mut self) {
        if self.slots.len() >= MOST {
            self.slots.retain(|_, slot| matches!(slot, Slot::Held));
        } else if self.slots.len() >= FEW && self.swept.is_none_or(|at| at.elapsed() >= FRESH) {
            self.swept = Some(Instant::now());
            self.slots.retain(|_, slot| !matches!(slot, Slot::Row(_, since) if since.elapsed() >= FRESH));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BELL: Resource = Resource::new("bell", "bells", &[protocol::Field::time("tm_rung")]);

    fn row(n: u64) -> Arc<Row> {
        let value = |name| if name == "rev" { n.into() } else { Value::Null };
        Arc::new(BELL.columns().map(|field| (field.name.to_owned(), value(field.name))).collect())
    }

    fn touch(after: Option<&Arc<Row>>) -> Touch {
        Touch::new(&BELL, KEY.1, after)
    }

    const KEY: Key = ("bell", Uuid::from_u128(1));

    fn ticket(recent: &Recent) -> u64 {
        match recent.look(KEY) {
            Seen::Unknown(ticket) => ticket,
            Seen::Row(row) => panic!("known: {row:?}"),
        }
    }

    fn change(recent: &Recent, changes: &[(Option<u64>, bool)]) {
        let touches: Vec<_> =
            changes.iter().map(|(n, stored)| (touch(n.map(row).as_ref()), *stored)).collect();
        recent.hold(touches.iter().map(|(touch, _)| touch));
        ticket(recent);
        recent.settle(touches.iter().map(|(touch, stored)| (touch, *stored)));
    }

    #[test]
    fn a_row_is_read_once_until_it_is_changed() {
        let recent = Recent::default();
        let first = ticket(&recent);
        recent.keep(KEY, first, Some(&row(1)));
        assert!(matches!(recent.look(KEY), Seen::Row(seen) if seen == row(1)));
        change(&recent, &[(None, true)]);
        ticket(&recent);
    }

    #[test]
    fn what_a_change_made_of_a_row_is_known_when_it_is_stored() {
        let recent = Recent::default();
        for (changes, known) in [
            (&[(Some(1), true)][..], Some(1)),
            (&[(Some(2), true), (Some(3), true)], Some(3)),
            (&[(Some(4), true), (Some(5), false)], Some(4)),
            (&[(Some(6), false)], None),
            (&[(Some(7), true), (None, true)], None),
        ] {
            change(&recent, changes);
            match (recent.look(KEY), known) {
                (Seen::Row(seen), Some(n)) => assert_eq!(seen, row(n)),
                (Seen::Unknown(_), None) => {}
                (Seen::Row(seen), None) => panic!("{changes:?}: {seen:?}"),
                (Seen::Unknown(_), Some(_)) => panic!("{changes:?}: forgotten"),
            }
        }
    }

    #[test]
    fn what_is_not_as_it_would_be_read_is_not_kept() {
        for (name, value) in [
            ("tm_rung", "2026-01-02T03:04:05Z".into()),
            ("tm_delete", "2026-01-02T03:04:05.000006Z".into()),
            ("undeclared", Value::Null),
        ] {
            let mut row = Row::clone(&row(1));
            row.insert(name.to_owned(), value);
            assert!(touch(Some(&Arc::new(row))).after.is_none(), "{name}");
        }
        let mut short = Row::clone(&row(1));
        short.remove("rev");
        assert!(touch(Some(&Arc::new(short))).after.is_none());
    }

    #[test]
    fn a_row_that_is_changed_while_it_is_read_is_not_kept() {
        let recent = Recent::default();
        let old = ticket(&recent);
        change(&recent, &[(None, true)]);
        recent.keep(KEY, old, Some(&row(1)));
        let (slow, quick) = (ticket(&recent), ticket(&recent));
        recent.keep(KEY, quick, Some(&row(2)));
        recent.keep(KEY, slow, Some(&row(1)));
        assert!(matches!(recent.look(KEY), Seen::Row(seen) if seen == row(2)));
    }

    #[test]
    fn a_row_that_the_writer_holds_is_neither_seen_nor_kept_also_when_there_are_too_many() {
        let recent = Recent::default();
        let first = ticket(&recent);
        recent.keep(KEY, first, Some(&row(1)));
        let held = touch(None);
        recent.hold([&held].into_iter());
        for n in 0..2 * MOST as u128 {
            recent.look(("tag", Uuid::from_u128(n)));
        }
        let during = ticket(&recent);
        recent.keep(KEY, during, Some(&row(1)));
        ticket(&recent);
        recent.settle([(&held, true)].into_iter());
        let after = ticket(&recent);
        recent.keep(KEY, after, Some(&row(2)));
        assert!(matches!(recent.look(KEY), Seen::Row(seen) if seen == row(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn rows_that_are_stale_are_let_go() {
        let recent = Recent::default();
        for n in 0..FEW as u128 {
            let Seen::Unknown(ticket) = recent.look(("bell", Uuid::from_u128(n))) else {
                panic!("{n} is known")
            };
            recent.keep(("bell", Uuid::from_u128(n)), ticket, Some(&row(1)));
        }
        tokio::time::advance(FRESH).await;
        ticket(&recent);
        assert_eq!(recent.lock().slots.len(), 1);
    }

    #[test]
    fn what_is_not_there_is_not_remembered() {
        let recent = Recent::default();
        let first = ticket(&recent);
        recent.keep(KEY, first, None);
        assert!(recent.lock().slots.is_empty());
    }
}
