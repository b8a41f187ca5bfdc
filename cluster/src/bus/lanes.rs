//! Lanes: what keeps events of one row in order, while those of other rows go on side by side.
//!
//! A lane is no task: it is a chain of places in which each waits for the one before. When one fails or is
//! given up, those behind it fail too: nobody sees a later state of a row before an earlier one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::{Error, Result};
use tokio::sync::oneshot;
use uuid::Uuid;

#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<Uuid, Last>>);

/// The last place of a lane: which one it is, and how the next learns that it succeeded.
struct Last {
    ticket: Uuid,
    done: oneshot::Receiver<()>,
}

impl Lanes {
    /// Takes the next place in a lane. Does not wait, so the order of calls is the order of places.
    pub(super) fn enter(self: &Arc<Self>, lane: Uuid) -> Place {
        let ticket = Uuid::now_v7();
        let (next, done) = oneshot::channel();
        let before = self.with(|lanes| lanes.insert(lane, Last { ticket, done }));
        Place { of: self.clone(), lane, ticket, before: before.map(|last| last.done), next: Some(next) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Uuid, Last>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A place in a lane. Dropped before it is [`Place::done`] it fails those behind it.
pub(super) struct Place {
    of: Arc<Lanes>,
    lane: Uuid,
    ticket: Uuid,
    before: Option<oneshot::Receiver<()>>,
    next: Option<oneshot::Sender<()>>,
}

impl Place {
    /// Waits until all before it are done. `Unavailable` when one of them failed.
    pub(super) async fn turn(&mut self) -> Result<()> {
        match self.before.take() {
            None => Ok(()),
            Some(before) => before
                .await
                .map_err(|_| Error::unavailable("an earlier event of this row is not delivered yet")),
        }
    }

    /// Lets the next one go.
    pub(super) fn done(&mut self) {
        if let Some(next) = self.next.take() {
            let _ = next.send(());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (lane, ticket) = (self.lane, self.ticket);
        self.of.with(|lanes| {
            if lanes.get(&lane).is_some_and(|last| last.ticket == ticket) {
                lanes.remove(&lane);
            }
        });
    }
}
