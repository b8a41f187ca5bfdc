//! The bus of one process: request queues and facts without a broker, as the same bytes.
//!
//! Nodes that share a [`Broker`] are as far apart as nodes that share RabbitMQ: whatever does not survive
//! JSON does not arrive. A fact that does not leave its node is handed over as it is. Unlike RabbitMQ it keeps nothing
//! for those who are away: an event that is published while a queue has no subscriber is lost to it, so subscribe before
//! the outbox is drained.

mod requests;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::future::join_all;
use protocol::ports::{Bus, Serve, Subscribe, Subscription};
use protocol::{Event, Result, sock};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::fact::Fact;
use super::subscriptions::Subscriptions;
use requests::Queue;

/// Events that a slow watcher may be behind before it loses the oldest and is told so.
const WATCHED: usize = 1024;

/// What the nodes of one process share. A clone is the same broker.
#[derive(Clone)]
pub struct Broker(Arc<Shared>);

struct Shared {
    queues: Mutex<HashMap<String, Queue>>,
    subscriptions: Arc<Subscriptions>,
    live: broadcast::Sender<Arc<Event>>,
    tasks: TaskTracker,
}

impl Default for Broker {
    fn default() -> Self {
        Broker(Arc::new(Shared {
            queues: Mutex::default(),
            subscriptions: Arc::default(),
            live: broadcast::Sender::new(WATCHED),
            tasks: TaskTracker::new(),
        }))
    }
}

/// One node's connection to a [`Broker`].
pub struct MemoryBus {
    broker: Broker,
    connection: Uuid,
    since: Instant,
}

impl MemoryBus {
    pub fn new(broker: Broker) -> Self {
        MemoryBus { broker, connection: Uuid::now_v7(), since: Instant::now() }
    }
}

#[async_trait]
impl Bus for MemoryBus {
    /// An event that a subscriber refused is refused with that subscriber's error, also when others have
    /// taken it: published again it reaches all of them again.
    async fn publish(&self, event: Arc<Event>) -> Result<()> {
        // Places in the lanes are taken here, before the first wait: the order of calls is the order of
        // deliveries. A send without watchers fails, which is no failure.
        let (mut lanes, _) = self.broker.0.subscriptions.enter(&event, |_| false);
        let fact = Fact::new(self.connection, event);
        if self.broker.0.live.receiver_count() > 0 {
            let _ = self.broker.0.live.send(fact.abroad()?);
        }
        let done = join_all(lanes.iter_mut().map(|lane| lane.deliver(&fact))).await;
        done.into_iter().try_for_each(|done| done.map(drop))
    }

    async fn ask(&self, queue: &str, request: sock::Request) -> Result<sock::Response> {
        let sender = self.broker.queues().get(queue).map(Queue::sender);
        requests::ask(sender.ok_or_else(|| requests::nobody(queue))?, &request).await
    }

    async fn serve(&self, queue: &str, server: Arc<dyn Serve>) -> Result<Box<dyn Send + Sync>> {
        Ok(Box::new(requests::Consumer::start(&self.broker, queue, server)))
    }

    async fn subscribe(
        &self,
        to: &Subscription,
        subscriber: Arc<dyn Subscribe>,
    ) -> Result<Box<dyn Send + Sync>> {
        Ok(Box::new(self.broker.0.subscriptions.join(&to.name, self.connection, subscriber)))
    }

    async fn watch(&self) -> Result<broadcast::Receiver<Arc<Event>>> {
        Ok(self.broker.0.live.subscribe())
    }

    async fn health(&self) -> Result<()> {
        Ok(())
    }

    /// What is served in this process is there for as long as the process.
    async fn served_since(&self, _: &str) -> Result<Instant> {
        Ok(self.since)
    }
}

impl Broker {
    fn queues(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }
}
