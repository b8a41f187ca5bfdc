//! The workers of a pool, from its start to its end.
//!
//! A worker is a task that ends with the pool. Whoever has work for the pool hands it to an idle worker itself, so work
//! goes from hand to hand once: an actor in between would be waked for nothing but to pass it on.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt as _;
use protocol::Result;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::lanes::Lanes;

/// Something to do. It must not be lost silently: who waits for it hears of its end.
pub(super) trait Work: Send + 'static {
    fn done(self) -> impl Future<Output = ()> + Send;
}

/// What the workers of one pool share with whoever gives them work.
pub(super) struct Crew<W>(Mutex<Desk<W>>);

struct Desk<W> {
    lanes: Lanes<W>,
    /// Each worker's, for one thing to do. None: the pool takes nothing any more.
    hands: Vec<mpsc::Sender<(Uuid, W)>>,
}

/// Ends the crew when it is dropped: what waits goes, and its workers with it.
pub(super) struct Shift<W: Work> {
    crew: Arc<Crew<W>>,
    workers: JoinSet<()>,
}

impl<W: Work> Crew<W> {
    pub(super) fn of(workers: usize) -> Shift<W> {
        let (hands, inboxes): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel(1)).unzip();
        let crew = Arc::new(Crew(Mutex::new(Desk { lanes: Lanes::of(workers), hands })));
        let mut workers = JoinSet::new();
        for (number, inbox) in inboxes.into_iter().enumerate() {
            workers.spawn(crew.clone().work(number, inbox));
        }
        Shift { crew, workers }
    }

    /// Does something as soon as its key and a worker are free. False: nothing is taken any more.
    pub(super) fn take(&self, key: Uuid, work: W) -> bool {
        let mut desk = self.desk();
        if desk.hands.is_empty() {
            return false;
        }
        if let Some((worker, work)) = desk.lanes.enter(key, work) {
            // an idle worker has an empty hand; one that is gone went with all the others
            let _ = desk.hands[worker].try_send((key, work));
        }
        true
    }

    pub(super) fn takes(&self) -> bool {
        !self.desk().hands.is_empty()
    }

    async fn work(self: Arc<Self>, number: usize, mut inbox: mpsc::Receiver<(Uuid, W)>) {
        while let Some(mut next) = inbox.recv().await {
            loop {
                let (key, work) = next;
                // who waited for it hears that it was lost, and the next one is none the worse for it
                let _ = AssertUnwindSafe(work.done()).catch_unwind().await;
                match self.desk().lanes.next(number, key) {
                    Some(other) => next = other,
                    None => break,
                }
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk<W>> {
        self.0.lock().expect("nothing panics while it holds the desk")
    }
}

impl<W: Work> Shift<W> {
    pub(super) fn crew(&self) -> Arc<Crew<W>> {
        self.crew.clone()
    }

    /// Until the token is cancelled. Then nothing more is taken, and it returns when everything is done.
    pub(super) async fn serve(mut self, token: CancellationToken) -> Result<()> {
        token.cancelled().await;
        self.crew.desk().hands.clear();
        while self.workers.join_next().await.is_some() {}
        Ok(())
    }
}

impl<W: Work> Drop for Shift<W> {
    fn drop(&mut self) {
        let mut desk = self.crew.desk();
        desk.hands.clear();
        desk.lanes.clear();
    }
}
