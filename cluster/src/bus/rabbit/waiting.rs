//! Who waits for which reply, and whom it is no use to ask.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::breaker::Breakers;

pub(super) enum Reply {
    Body(Vec<u8>),
    /// The request came back: there is no such queue.
    Returned,
    /// Nobody consumes the queue any more.
    Deserted,
}

#[derive(Default)]
pub(super) struct Waiting {
    seats: Mutex<HashMap<String, Asked>>,
    taken: Notify,
    pub(super) breakers: Arc<Breakers>,
}

struct Asked {
    queue: Arc<str>,
    reply: oneshot::Sender<Reply>,
}

/// A place in the table; dropped, a reply finds nobody.
pub(super) struct Seat {
    of: Arc<Waiting>,
    id: String,
    pub(super) reply: oneshot::Receiver<Reply>,
}

impl Waiting {
    pub(super) fn enter(self: &Arc<Self>, id: &str, queue: &str) -> Seat {
        let (sender, reply) = oneshot::channel();
        let mut all = self.all();
        if all.is_empty() {
            self.taken.notify_one();
        }
        all.insert(id.to_owned(), Asked { queue: queue.into(), reply: sender });
        Seat { of: self.clone(), id: id.to_owned(), reply }
    }

    pub(super) fn resolve(&self, id: &str, reply: Reply) {
        if let Some(asked) = self.all().remove(id) {
            let _ = asked.reply.send(reply);
        }
    }

    /// Comes back when somebody waits.
    pub(super) async fn somebody(&self) {
        while self.all().is_empty() {
            self.taken.notified().await;
        }
    }

    /// The queues that somebody waits for.
    pub(super) fn queues(&self) -> BTreeSet<Arc<str>> {
        self.all().values().map(|asked| asked.queue.clone()).collect()
    }

    /// Whoever waits for this queue waits in vain.
    pub(super) fn desert(&self, queue: &str) {
        for (_, asked) in self.all().extract_if(|_, asked| &*asked.queue == queue) {
            let _ = asked.reply.send(Reply::Deserted);
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

    fn all(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.of.all().remove(&self.id);
    }
}
