//! Rows that were read lately. Most requests read the same few rows again and again: a call, its customer,
//! its account.
//!
//! The writer holds the rows that it changes from before its transaction until it answers, and a held row is
//! read anew and not kept. So whoever knows of a change reads it, be it from the answer or from the outbox,
//! which may see the commit first. A row that is being read when the writer takes it is not kept either: the
//! reader's ticket is gone by then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::Row;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

/// The name of a resource and the id of a row.
pub(super) type Key = (&'static str, Uuid);

/// Rows kept at most: some 10 MiB. Beyond that all are forgotten and the busy ones come back.
const MOST: usize = 4096;
/// Another process may have the same file open, and a commit of which nothing was heard may still land: what they
/// change is seen after this time.
const FRESH: Duration = Duration::from_secs(1);

/// Tickets begin at one.
const NO_TICKET: u64 = 0;

#[derive(Default)]
pub(super) struct Recent(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    slots: HashMap<Key, Slot>,
    tickets: u64,
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
        if all.slots.len() >= MOST {
            all.slots.retain(|_, slot| matches!(slot, Slot::Held));
        }
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

    /// Until they are released nobody sees or keeps them.
    pub(super) fn hold(&self, keys: impl IntoIterator<Item = Key>) {
        self.lock().slots.extend(keys.into_iter().map(|key| (key, Slot::Held)));
    }

    pub(super) fn release(&self, keys: &[Key]) {
        if !keys.is_empty() {
            let mut all = self.lock();
            for key in keys {
                all.slots.remove(key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u64) -> Arc<Row> {
        Arc::new(Row::from_iter([("n".to_owned(), n.into())]))
    }

    const KEY: Key = ("call", Uuid::from_u128(1));

    fn ticket(recent: &Recent) -> u64 {
        match recent.look(KEY) {
            Seen::Unknown(ticket) => ticket,
            Seen::Row(row) => panic!("known: {row:?}"),
        }
    }

    #[test]
    fn a_row_is_read_once_until_it_is_changed() {
        let recent = Recent::default();
        let first = ticket(&recent);
        recent.keep(KEY, first, Some(&row(1)));
        assert!(matches!(recent.look(KEY), Seen::Row(seen) if seen == row(1)));
        recent.hold([KEY]);
        recent.release(&[KEY]);
        ticket(&recent);
    }

    #[test]
    fn a_row_that_is_changed_while_it_is_read_is_not_kept() {
        let recent = Recent::default();
        let old = ticket(&recent);
        recent.hold([KEY]);
        recent.release(&[KEY]);
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
        recent.hold([KEY]);
        for n in 0..2 * MOST as u128 {
            recent.look(("tag", Uuid::from_u128(n)));
        }
        let during = ticket(&recent);
        recent.keep(KEY, during, Some(&row(1)));
        ticket(&recent);
        recent.release(&[KEY]);
        let after = ticket(&recent);
        recent.keep(KEY, after, Some(&row(2)));
        assert!(matches!(recent.look(KEY), Seen::Row(seen) if seen == row(2)));
    }

    #[test]
    fn what_is_not_there_is_not_remembered() {
        let recent = Recent::default();
        let first = ticket(&recent);
        recent.keep(KEY, first, None);
        assert!(recent.lock().slots.is_empty());
    }
}
