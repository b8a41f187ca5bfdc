//! Traffic between domains and nodes, as the bytes that RabbitMQ carries.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{Event, Result, sock};

/// Answers requests that arrive on a queue.
#[async_trait]
pub trait Serve: Send + Sync {
    /// A place for one more request. Pending while the server is full, so that requests stay in the queue.
    async fn ready(&self);
    /// False: whatever is asked now is refused, and another server of the queue may do better.
    fn is_well(&self) -> bool {
        true
    }
    async fn serve(&self, request: sock::Request) -> sock::Response;
}

/// What somebody follows: under which name, and the types of events, as [`covers`](crate::event::covers) reads
/// them, or [`FOREIGN`](crate::event::FOREIGN). A bus may bring others too: [`Subscribe::wants`] decides.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub name: String,
    pub patterns: BTreeSet<&'static str>,
}

impl Subscription {
    pub fn to_all(name: impl Into<String>) -> Self {
        Subscription { name: name.into(), patterns: BTreeSet::from(["*"]) }
    }
}

/// Takes events. `Ok` means done for good: the bus forgets the event.
#[async_trait]
pub trait Subscribe: Send + Sync {
    /// What it does not want it would only say `Ok` to: a bus may spare itself the delivery.
    fn wants(&self, _event: &Event) -> bool {
        true
    }

    /// Bounded by the implementation: a subscriber that keeps failing sets the event aside itself.
    async fn deliver(&self, event: Arc<Event>) -> Result<()>;
}

#[async_trait]
pub trait Bus: Send + Sync {
    /// Makes what has to exist before the first fact: where `publishers` publish, and the queues of all
    /// `subscriptions`, also those of nodes that were never started. Nothing is published for nobody then.
    async fn declare(&self, _publishers: &[&str], _subscriptions: &[Subscription]) -> Result<()> {
        Ok(())
    }

    /// Publishes a fact. Returns when it is safe: every subscription has it durably, or has dealt with it.
    async fn publish(&self, event: Arc<Event>) -> Result<()>;

    /// Sends a request to a queue and waits for the reply, at most as long as the request says.
    /// `Unavailable` at once when nobody consumes the queue.
    async fn ask(&self, queue: &str, request: sock::Request) -> Result<sock::Response>;

    /// Consumes a request queue until the returned guard is dropped. Several nodes may share a queue.
    async fn serve(&self, queue: &str, server: Arc<dyn Serve>) -> Result<Box<dyn Send + Sync>>;

    /// Receives every event that it covers once per name, however many nodes use that, until the guard is dropped.
    async fn subscribe(
        &self,
        to: &Subscription,
        subscriber: Arc<dyn Subscribe>,
    ) -> Result<Box<dyn Send + Sync>>;

    /// Receives every event on this node, live only: nothing is kept, or brought here, while nobody watches. What is
    /// published from its return on is seen.
    async fn watch(&self) -> Result<tokio::sync::broadcast::Receiver<Arc<Event>>>;

    /// Is the bus reachable? For readiness.
    async fn health(&self) -> Result<()>;

    /// Since when this node has served a queue without a break, if the bus says right now that it is there: who
    /// asks that queue has reached this node since.
    async fn served_since(&self, queue: &str) -> Result<Instant>;
}
