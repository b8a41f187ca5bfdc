//! Request queues: bounded, shared by whoever consumes them, and answered or dropped in time.
//!
//! A request is taken from the queue only by a consumer that is ready; until then it waits where any other
//! consumer can take it.

use std::sync::Arc;

use futures_util::poll;
use protocol::ports::Serve;
use protocol::{Error, Result, sock};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::super::answer::{answer, patience};
use super::Broker;

/// Requests that wait in one queue. More than its consumers answer within a time-out would expire anyway.
pub(super) const WAITING: usize = 1024;

type Deliveries = Arc<Mutex<mpsc::Receiver<Delivery>>>;

/// The sending half, and what a further consumer needs to join.
pub(super) struct Queue {
    sender: mpsc::Sender<Delivery>,
    deliveries: Deliveries,
    consumers: usize,
}

impl Queue {
    fn new() -> Self {
        let (sender, deliveries) = mpsc::channel(WAITING);
        Queue { sender, deliveries: Arc::new(Mutex::new(deliveries)), consumers: 0 }
    }

    pub(super) fn sender(&self) -> mpsc::Sender<Delivery> {
        self.sender.clone()
    }
}

pub(super) struct Delivery {
    bytes: Vec<u8>,
    until: Instant,
    reply: oneshot::Sender<Vec<u8>>,
}

pub(super) fn nobody(queue: &str) -> Error {
    Error::unbegun(format!("nobody serves {queue}"))
}

/// Queues the request and waits for its reply, at most as long as it says.
pub(super) async fn ask(queue: mpsc::Sender<Delivery>, request: &sock::Request) -> Result<sock::Response> {
    let until = Instant::now() + patience(request.timeout_ms);
    let bytes = serde_json::to_vec(request).map_err(Error::internal)?;
    let (reply, answer) = oneshot::channel();
    queue.try_send(Delivery { bytes, until, reply }).map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => Error::unbegun("the request queue is full"),
        mpsc::error::TrySendError::Closed(_) => Error::unbegun("the request queue is gone"),
    })?;
    drop(queue);
    let bytes = timeout_at(until, answer)
        .await
        .map_err(|_| Error::timeout())?
        .map_err(|_| Error::lost("the node that had the request went away"))?;
    serde_json::from_slice(&bytes).map_err(Error::internal)
}

/// Consumes a queue until dropped. Requests it has taken by then are still answered; with the last consumer
/// the queue goes, and whoever waits in it is refused at once.
pub(super) struct Consumer {
    broker: Broker,
    queue: String,
    _stop: DropGuard,
}

impl Consumer {
    pub(super) fn start(broker: &Broker, queue: &str, server: Arc<dyn Serve>) -> Self {
        let deliveries = {
            let mut queues = broker.queues();
            let joined = queues.entry(queue.to_owned()).or_insert_with(Queue::new);
            joined.consumers += 1;
            joined.deliveries.clone()
        };
        let stop = CancellationToken::new();
        let work = consume(deliveries, server, broker.clone());
        broker.tasks().spawn(stop.clone().run_until_cancelled_owned(work));
        Consumer { broker: broker.clone(), queue: queue.to_owned(), _stop: stop.drop_guard() }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let mut queues = self.broker.queues();
        if let Some(queue) = queues.get_mut(&self.queue) {
            queue.consumers -= 1;
            if queue.consumers == 0 {
                queues.remove(&self.queue);
            }
        }
    }
}

/// The lock on the receiver is fair, so consumers that are ready stand in line for the next delivery: that
/// line is the round robin.
async fn consume(deliveries: Deliveries, server: Arc<dyn Serve>, broker: Broker) {
    loop {
        server.ready().await;
        let Some(delivery) = deliveries.lock().await.recv().await else { return };
        if delivery.until <= Instant::now() || delivery.reply.is_closed() {
            continue;
        }
        let mut work = Box::pin(respond(delivery, server.clone()));
        // The first step is taken here, so that the place which `ready` promised is taken before it is
        // asked for again.
        if poll!(work.as_mut()).is_pending() {
            broker.tasks().spawn(work);
        }
    }
}

async fn respond(delivery: Delivery, server: Arc<dyn Serve>) {
    let response = answer(&delivery.bytes, delivery.until, server).await;
    reply(delivery.reply, response);
}

/// An asker that has gone needs no answer.
fn reply(to: oneshot::Sender<Vec<u8>>, response: sock::Response) {
    let bytes = serde_json::to_vec(&response).expect("a response is JSON");
    let _ = to.send(bytes);
}
