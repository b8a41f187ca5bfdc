//! Every fact, live, for whoever watches on this node: one nameless queue that goes with its connection, and when
//! nobody watches any more. To bring every fact to every node costs as much as some of the domains do.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use lapin::Connection;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use protocol::Event;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::attend::Consume;
use super::link::closed;
use super::names::{Topology, declare_watch};
use super::wire;

pub(super) struct Watcher {
    pub(super) live: broadcast::Sender<Arc<Event>>,
    pub(super) topology: Arc<Topology>,
    pub(super) term: Term,
}

/// Whether a watcher goes on. Whoever watches first is counted and then asks; a watcher counts and gives up in one step:
/// so nobody relies on one that has given up.
#[derive(Clone)]
pub(super) struct Term(Arc<Mutex<bool>>);

impl Term {
    pub(super) fn begin() -> Self {
        Term(Arc::new(Mutex::new(true)))
    }

    pub(super) fn goes_on(&self) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends_with(&self, live: &broadcast::Sender<Arc<Event>>) -> bool {
        let mut goes_on = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *goes_on = live.receiver_count() > 0;
        !*goes_on
    }
}

impl Consume for Watcher {
    fn queue(&self) -> &str {
        "live events"
    }

    async fn session(
        &self,
        connection: &Arc<Connection>,
        up: &watch::Sender<bool>,
        stop: &CancellationToken,
    ) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        self.topology.declare(&channel).await?;
        let queue = declare_watch(&channel).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let (queue, none) = (queue.as_str().into(), FieldTable::default());
        let mut deliveries = channel.basic_consume(queue, "".into(), options, none).await?;
        up.send_replace(true);
        while let Some(delivery) = stop.run_until_cancelled(deliveries.next()).await {
            // what cannot be read is set aside where it is subscribed to; without watchers nobody misses it
            let event = wire::event(&delivery.ok_or_else(closed)??);
            let heard = event.is_ok_and(|event| self.live.send(Arc::new(event)).is_ok());
            if !heard && self.term.ends_with(&self.live) {
                break;
            }
        }
        channel.close(200, "OK".into()).await
    }
}
