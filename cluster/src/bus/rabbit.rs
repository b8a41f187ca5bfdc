//! The bus over RabbitMQ, spoken to as VoIPBIN's services speak to it.
//!
//! Two connections: one for what this node says and answers, one for what it hears. When the broker is out of
//! memory it stops reading from those who publish; what is heard goes on and empties its queues.

mod acks;
mod asks;
mod attend;
mod attendance;
mod beat;
mod breaker;
mod known;
mod line;
mod link;
mod names;
mod nearby;
mod post;
mod publish;
mod recess;
mod serve;
mod silence;
mod subscribe;
mod waiting;
mod watch;
mod way;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use protocol::ports::{Bus, Serve, Subscribe, Subscription};
use protocol::{Error, Event, Result, sock};
use tokio::sync::watch::Receiver;
use tokio::sync::{Mutex, broadcast};
use tokio::time::{Duration, Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use asks::Asks;
use attend::attend;
use attendance::Attendance;
use known::Known;
use line::Line;
use link::{Address, Link, Maker};
use names::Topology;
use publish::Publisher;
use waiting::Waiting;

pub use names::{DEAD, subscription};

/// Events that a slow watcher may be behind before it loses the oldest and is told so.
const WATCHED: usize = 1024;
/// Until the channels are open at the start.
const OPEN_LIMIT: Duration = Duration::from_secs(10);

/// One node's connection to RabbitMQ. Dropped it ends, with everything that it does.
pub struct RabbitBus {
    speak: Link,
    hear: Link,
    asks: Asks,
    publisher: Publisher,
    topology: Arc<Topology>,
    known: Arc<Known>,
    served: serve::Served,
    live: broadcast::Sender<Arc<Event>>,
    watching: Mutex<Option<(watch::Term, DropGuard)>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _end: DropGuard,
}

impl RabbitBus {
    /// Connects once: `Unavailable` when the broker does not answer or refuses the login, `InvalidArgument`
    /// for a URL that is none. From then on it reconnects by itself. No error repeats the URL's password.
    pub async fn connect(url: &str, node: &str) -> Result<RabbitBus> {
        let address = Address::parse(url)?;
        let (tasks, stop, topology) =
            (TaskTracker::new(), CancellationToken::new(), Arc::<Topology>::default());
        let end = stop.clone().drop_guard();
        let open = |what: &str| {
            let name = format!("branchline {node} {what}");
            let (address, topology, stop) = (address.clone(), topology.clone(), stop.clone());
            Link::open(Maker { address, name, topology, stop }, &tasks)
        };
        let (speak, hear) = (open("speaks").await?, open("hears").await?);
        let waiting = Arc::<Waiting>::default();
        let attendance = Arc::new(Attendance::new(speak.clone()));
        let line = Line::start(&speak, &topology, (&waiting, &attendance), &tasks, &stop);
        let asks = Asks { line, waiting, attendance };
        let publisher = Publisher::start(&speak, &topology, &tasks, &stop);
        opened(asks.line.open(), Option::is_some).await?;
        opened(publisher.post.ready(), |ready| *ready).await?;
        let (live, watching, _end) = (broadcast::Sender::new(WATCHED), Mutex::default(), end);
        let (known, served) = (Arc::default(), serve::Served::default());
        Ok(RabbitBus {
            speak,
            hear,
            asks,
            publisher,
            topology,
            known,
            served,
            live,
            watching,
            tasks,
            stop,
            _end,
        })
    }

    async fn consume(&self, link: &Link, consumer: impl attend::Consume) -> Result<DropGuard> {
        attend(link, &self.tasks, self.stop.child_token(), consumer).await
    }
}

#[async_trait]
impl Bus for RabbitBus {
    async fn declare(&self, publishers: &[&str], subscriptions: &[Subscription]) -> Result<()> {
        self.publisher.declare(publishers, subscriptions).await?;
        self.topology.is_all();
        Ok(())
    }

    async fn publish(&self, event: Arc<Event>) -> Result<()> {
        self.publisher.publish(&event).await
    }

    async fn ask(&self, queue: &str, request: sock::Request) -> Result<sock::Response> {
        self.asks.ask(queue, &request).await
    }

    async fn serve(&self, queue: &str, server: Arc<dyn Serve>) -> Result<Box<dyn Send + Sync>> {
        names::short(queue)?;
        let server = serve::Server { queue: queue.to_owned(), server, served: self.served.clone() };
        Ok(Box::new(self.consume(&self.speak, server).await?))
    }

    async fn subscribe(
        &self,
        to: &Subscription,
        subscriber: Arc<dyn Subscribe>,
    ) -> Result<Box<dyn Send + Sync>> {
        names::short(&subscription(&to.name))?;
        let (topology, known) = (self.topology.clone(), self.known.clone());
        let follower =
            subscribe::Follower { to: to.clone(), subscriber: subscriber.clone(), topology, known };
        let consumer = self.consume(&self.hear, follower).await?;
        // dropped in this order: what it may not get here any more it still may get from its queue
        Ok(Box::new((self.publisher.nearby.join(&to.name, subscriber), consumer)))
    }

    async fn watch(&self) -> Result<broadcast::Receiver<Arc<Event>>> {
        let watched = self.live.subscribe();
        let mut watching = self.watching.lock().await;
        if !watching.as_ref().is_some_and(|(term, _)| term.goes_on()) {
            let (live, topology, term) = (self.live.clone(), self.topology.clone(), watch::Term::begin());
            let watcher = watch::Watcher { live, topology, term: term.clone() };
            *watching = Some((term, self.consume(&self.hear, watcher).await?));
        }
        Ok(watched)
    }

    async fn health(&self) -> Result<()> {
        self.hear.now()?;
        self.asks.attendance.probe().await
    }

    async fn served_since(&self, queue: &str) -> Result<Instant> {
        let connection = self.speak.now()?;
        self.asks.attendance.probe().await?;
        let since = self.served.since(queue, &connection);
        since.ok_or_else(|| Error::lost("the queue is not served right now"))
    }
}

async fn opened<T>(mut channel: Receiver<T>, is_open: impl FnMut(&T) -> bool) -> Result<()> {
    match timeout(OPEN_LIMIT, channel.wait_for(is_open)).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Error::unavailable("the broker opens no channel")),
    }
}
