//! Who waits for which reply, and whom it is no use to ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::breaker::Breakers;

pub(super) enum Reply {
    Body(Vec<u8>),
    /// The request came back: there is no such queue.
    Returned,
}

#[derive(Default)]
pub(super) struct Waiting {
    seats: Mutex<HashMap<String, oneshot::Sender<Reply>>>,
    pub(super) breakers: Arc<Breakers>,
}

/// A place in the table; dropped, a reply finds nobody.
pub(super) struct Seat {
    of: Arc<Waiting>,
    id: String,
    pub(super) reply: oneshot::Receiver<Reply>,
}

impl Waiting {
    pub(super) fn enter(self: &Arc<Self>, id: &str) -> Seat {
        let (sender, reply) = oneshot::channel();
        self.all().insert(id.to_owned(), sender);
        Seat { of: self.clone(), id: id.to_owned(), reply }
    }

    pub(super) fn resolve(&self, id: &str, reply: Reply) {
        if let Some(sender) = self.all().remove(id) {
            let _ = sender.send(reply);
        }
    }

    /// A new channel: what failed before says nothing about it.
    pub(super) fn begin(&self) {
        self.breakers.reset();
    }

    /// The channel that they asked on is gone, and their replies with it.
    pub(super) fn lose(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Reply>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.of.all().remove(&self.id);
    }
}
