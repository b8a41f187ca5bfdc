//! Every fact, live, for whoever watches on this node: one nameless queue that goes with its connection.

use std::sync::Arc;

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
            if let Ok(event) = wire::event(&delivery.ok_or_else(closed)??) {
                let _ = self.live.send(Arc::new(event));
            }
        }
        channel.close(200, "OK".into()).await
    }
}
