//! Facts of this node, to the exchange of their publisher.

use std::sync::Arc;

use lapin::types::ShortString;
use protocol::ports::Subscription;
use protocol::{Error, Event, Result, sock};
use tokio::sync::oneshot;
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::lanes::Lanes;
use super::super::subscriptions::Names;
use super::link::Link;
use super::names::{Topology, short};
use super::nearby::Nearby;
use super::post::{Letter, Post};
use super::way::Way;
use super::wire;

/// A fact that every queue has on disk is confirmed within milliseconds; one that is not by then is offered
/// again.
const CONFIRM_LIMIT: Duration = Duration::from_secs(10);

/// Some twenty queues and exchanges on a slow disk.
const DECLARE_LIMIT: Duration = Duration::from_secs(30);

pub(super) struct Publisher {
    link: Link,
    pub(super) post: Post,
    topology: Arc<Topology>,
    /// A fact of a row is sent when the one before is confirmed: a refusal must not change their order.
    lanes: Arc<Lanes>,
    pub(super) nearby: Nearby,
}

impl Publisher {
    pub(super) fn start(
        link: &Link,
        topology: &Arc<Topology>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Publisher {
        let post = Post::start(link, topology, tasks, stop);
        let (link, topology) = (link.clone(), topology.clone());
        Publisher { link, post, topology, lanes: Arc::default(), nearby: Nearby::default() }
    }

    /// To this node's own domains and to the broker, side by side; done when both have it. While the broker is known to
    /// be away neither begins: the facts behind this one would have to wait for it anyway.
    pub(super) async fn publish(&self, event: &Arc<Event>) -> Result<()> {
        self.link.now()?;
        let (mut round, mut place) = (self.nearby.begin(event), self.lanes.enter(event.lane()));
        place.turn().await?;
        let left_out = round.left_out();
        let (told, taken) = tokio::join!(self.tell(event, left_out.as_deref()), round.deliver());
        if let (Ok(()), Some(left_out)) = (&told, left_out) {
            round.told(left_out);
        }
        let outcome = told.and(taken);
        self.nearby.end(event, round, outcome.is_ok());
        outcome?;
        place.done();
        Ok(())
    }

    /// Has the broker hand it on to everybody else.
    async fn tell(&self, event: &Event, left_out: Option<&Names>) -> Result<()> {
        let Some(left_out) = left_out else { return Ok(()) };
        let exchange = short(&sock::event_exchange(&event.publisher))?;
        let body = serde_json::to_vec(event).map_err(Error::internal)?;
        let sent = timeout(CONFIRM_LIMIT, self.send(exchange, body, event, left_out));
        sent.await.unwrap_or_else(|_| Err(Error::lost("the broker does not confirm the event")))
    }

    async fn send(
        &self,
        exchange: ShortString,
        body: Vec<u8>,
        event: &Event,
        left_out: &Names,
    ) -> Result<()> {
        if !self.topology.knows(&event.publisher) {
            self.declare(&[&event.publisher], &[]).await?;
        }
        let (fate, confirmed) = oneshot::channel();
        let Way { key, named } = self.topology.way(event, left_out);
        let properties = wire::of_event(event, &named);
        self.post.send(Letter { exchange, key, body, properties, fate })?;
        match confirmed.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::unavailable("the broker refused the event")),
            Err(_) => Err(Error::lost("the broker was lost before it confirmed the event")),
        }
    }

    /// On a channel of its own: a declaration that the broker refuses closes it.
    pub(super) async fn declare(&self, publishers: &[&str], subscriptions: &[Subscription]) -> Result<()> {
        for name in publishers.iter().copied().chain(subscriptions.iter().map(|to| &*to.name)) {
            short(&sock::event_exchange(name))?;
        }
        let connection = self.link.now()?;
        let declared = timeout(DECLARE_LIMIT, async {
            let channel = connection.create_channel().await?;
            self.topology.add(&channel, publishers, subscriptions).await
        });
        declared
            .await
            .map_err(|_| Error::lost("the broker declares nothing"))?
            .map_err(|error: lapin::Error| Error::lost(format!("the broker does not declare: {error}")))
    }
}
