//! The bus of one process: request queues and facts without a broker, as the same bytes.
//!
//! Nodes that share a [`Broker`] are as far apart as nodes that share RabbitMQ: whatever does not survive
//! JSON does not arrive. A fact that does not leave its node is handed over as it is. Unlike RabbitMQ it keeps nothing for those who are away: an event that is published
//! while a queue has no subscriber is lost to it, so subscribe before the outbox is drained.

mod events;
mod fact;
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

use events::Subscribed;
use fact::Fact;
use requests::Queue;

/// Events that a slow watcher may be behind before it loses the oldest and is told so.
const WATCHED: usize = 1024;

/// What the nodes of one process share. A clone is the same broker.
#[derive(Clone)]
pub struct Broker(Arc<Shared>);

struct Shared {
    queues: Mutex<HashMap<String, Queue>>,
    subscriptions: Mutex<HashMap<String, Arc<Subscribed>>>,
    live: broadcast::Sender<Arc<Event>>,
    tasks: TaskTracker,
}

impl Default for Broker {
    fn default() -> Self {
        Broker(Arc::new(Shared {
            queues: Mutex::default(),
            subscriptions: Mutex::default(),
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
        let lane = event.lane();
        let mut lanes: Vec<_> =
            self.broker.subscriptions().values().filter_map(|all| all.enter(&event, lane)).collect();
        let fact = Fact::new(self.connection, event);
        if self.broker.0.live.receiver_count() > 0 {
            let _ = self.broker.0.live.send(fact.abroad()?);
        }
        let done = join_all(lanes.iter_mut().map(|lane| lane.deliver(&fact))).await;
        done.into_iter().collect()
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
        Ok(Box::new(events::Member::join(&self.broker, self.connection, &to.name, subscriber)))
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
        held(&self.0.queues)
    }

    fn subscriptions(&self) -> MutexGuard<'_, HashMap<String, Arc<Subscribed>>> {
        held(&self.0.subscriptions)
    }

    fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }
}

/// Every change under these locks is a single step, so a panic elsewhere leaves nothing half done.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
