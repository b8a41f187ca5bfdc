//! Requests of other nodes: taken when there is a place; acknowledged when they are answered, or before they
//! begin if they change something.
//!
//! What this node cannot begin soon goes back to the queue, where a node that has a place takes it, or where
//! it expires with the patience of its caller.

use std::collections::{HashMap, VecDeque};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, poll};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions,
    BasicQosOptions,
};
use lapin::types::{DeliveryTag, FieldTable, ShortString};
use lapin::{Channel, Connection};
use protocol::ports::Serve;
use protocol::{Result, sock};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::super::answer::{LONGEST, answer_read, read};
use super::acks::Acks;
use super::attend::Consume;
use super::link::closed;
use super::names::declare_requests;
use super::{recess, wire};

/// Requests of one queue that this node has taken and not answered. Twice what a domain works on at once.
const PREFETCH: u16 = 64;
/// What has not begun by then may begin elsewhere.
const GIVE_BACK: Duration = Duration::from_millis(200);
/// With less time left than this an answer would come too late: its caller counts from before the journey.
const TOO_LATE: Duration = Duration::from_millis(10);
/// What has begun when the consumer ends is answered, if it is by then.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

pub(super) struct Server {
    pub(super) queue: String,
    pub(super) server: Arc<dyn Serve>,
    pub(super) served: Served,
}

/// Since when a queue is served, and on which connection.
type Since = (Instant, Arc<Connection>);

/// The queues that are served right now.
#[derive(Clone, Default)]
pub(super) struct Served(Arc<Mutex<HashMap<String, Since>>>);

impl Served {
    pub(super) fn since(&self, queue: &str, connection: &Arc<Connection>) -> Option<Instant> {
        self.lock().get(queue).filter(|(_, on)| Arc::ptr_eq(on, connection)).map(|(since, _)| *since)
    }

    fn begins(&self, queue: &str, connection: &Arc<Connection>) -> Session {
        self.lock().insert(queue.to_owned(), (Instant::now(), connection.clone()));
        Session { served: self.clone(), queue: queue.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Since>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue that is served until this is dropped.
struct Session {
    served: Served,
    queue: String,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.served.lock().remove(&self.queue);
    }
}

impl Consume for Server {
    fn queue(&self) -> &str {
        &self.queue
    }

    async fn session(
        &self,
        connection: &Arc<Connection>,
        up: &watch::Sender<bool>,
        stop: &CancellationToken,
    ) -> lapin::Result<()> {
        loop {
            self.shift(connection, up, stop).await?;
            if stop.is_cancelled() {
                return Ok(());
            }
            let channel = connection.create_channel().await?;
            let over = recess::is_over(&channel, &self.queue, &self.server);
            stop.run_until_cancelled(over).await.transpose()?;
            channel.close(200, "OK".into()).await?;
        }
    }
}

impl Server {
    /// Serves until it is told to stop, or cannot serve and others can.
    async fn shift(
        &self,
        connection: &Arc<Connection>,
        up: &watch::Sender<bool>,
        stop: &CancellationToken,
    ) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        declare_requests(&channel, &self.queue).await?;
        let (queue, options) = (self.queue.as_str().into(), BasicConsumeOptions::default());
        let mut deliveries = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
        up.send_replace(true);
        let _session = self.served.begins(&self.queue, connection);
        let mut desk = Desk::new(&channel, &self.server);
        let mut recess = pin!(recess::is_due(&channel, &self.queue, &self.server));
        loop {
            let oldest = desk.waiting.front().map(|(since, _)| *since + GIVE_BACK);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                due = &mut recess => break due?,
                Some(done) = desk.work.join_next() => desk.reap(done),
                Some(_) = desk.acking.next() => {}
                () = &mut desk.ready, if oldest.is_some() => desk.begin().await,
                delivery = deliveries.next() => desk.take(delivery).await?,
                () = sleep_until(oldest.unwrap_or_else(Instant::now)), if oldest.is_some() => {
                    desk.give_back().await?;
                }
            }
        }
        channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default()).await?;
        while desk.give_back().await? {}
        let _ = timeout(LAST_ANSWERS, desk.finish()).await;
        channel.close(200, "OK".into()).await
    }
}

/// The requests of one session.
struct Desk {
    channel: Channel,
    server: Arc<dyn Serve>,
    /// A place for one more. Polled until it comes, so that it keeps its place in the line.
    ready: Pin<Box<dyn Future<Output = ()> + Send>>,
    waiting: VecDeque<(Instant, Delivery)>,
    /// When requests came here first that were given back since and may come again.
    first_seen: HashMap<ShortString, Instant>,
    /// Answers under way. Their tags, where they are to be acknowledged now.
    work: JoinSet<Option<DeliveryTag>>,
    acks: Acks,
    acking: FuturesUnordered<Pin<Box<dyn Future<Output = lapin::Result<()>> + Send>>>,
}

impl Desk {
    fn new(channel: &Channel, server: &Arc<dyn Serve>) -> Self {
        Desk {
            channel: channel.clone(),
            server: server.clone(),
            ready: ready(server.clone()),
            waiting: VecDeque::new(),
            first_seen: HashMap::new(),
            work: JoinSet::new(),
            acks: Acks::default(),
            acking: FuturesUnordered::new(),
        }
    }

    /// Where there is a place the oldest begins at once.
    async fn take(&mut self, delivery: Option<lapin::Result<Delivery>>) -> lapin::Result<()> {
        let delivery = delivery.ok_or_else(closed)??;
        self.acks.taken(delivery.delivery_tag);
        self.waiting.push_back((Instant::now(), delivery));
        if poll!(self.ready.as_mut()).is_ready() {
            self.begin().await;
        }
        Ok(())
    }

    /// The first step is taken here, so that the place which `ready` promised is taken before it is asked for
    /// again, and what is acknowledged before it begins is so before any other.
    async fn begin(&mut self) {
        self.ready = ready(self.server.clone());
        let Some((since, delivery)) = self.waiting.pop_front() else { return };
        let first = delivery.properties.correlation_id().as_ref().and_then(|id| self.first_seen.remove(id));
        let since = first.unwrap_or(since);
        let request = read(&delivery.data);
        if !wire::only_reads(&request) {
            self.acks.settled(delivery.delivery_tag);
        }
        let asked = (request, delivery);
        let mut work = Box::pin(respond(self.channel.clone(), since, asked, self.server.clone()));
        match poll!(work.as_mut()) {
            Poll::Ready(done) => self.reap(Ok(done)),
            Poll::Pending => _ = self.work.spawn(work),
        }
    }

    /// With whatever else is done by now.
    fn reap(&mut self, done: Result<Option<DeliveryTag>, JoinError>) {
        let mut next = Some(done);
        while let Some(done) = next {
            if let Ok(Some(tag)) = done {
                self.acks.answered(tag);
            }
            next = self.work.try_join_next();
        }
        for (tag, options) in self.acks.due() {
            let channel = self.channel.clone();
            self.acking.push(Box::pin(async move { channel.basic_ack(tag, options).await }));
        }
    }

    /// Returns when everything that has begun is answered and acknowledged.
    async fn finish(&mut self) {
        while let Some(done) = self.work.join_next().await {
            self.reap(done);
        }
        while self.acking.next().await.is_some() {}
    }

    /// Returns the oldest that waits, if there is one.
    async fn give_back(&mut self) -> lapin::Result<bool> {
        let Some((since, delivery)) = self.waiting.pop_front() else { return Ok(false) };
        if let Some(id) = delivery.properties.correlation_id() {
            self.first_seen.retain(|_, first| first.elapsed() < LONGEST);
            self.first_seen.entry(id.clone()).or_insert(since);
        }
        self.acks.settled(delivery.delivery_tag);
        let back = BasicNackOptions { requeue: true, multiple: false };
        self.channel.basic_nack(delivery.delivery_tag, back).await.map(|()| true)
    }
}

fn ready(server: Arc<dyn Serve>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move { server.ready().await })
}

/// A channel that is gone takes neither answer nor acknowledgement: then the broker has given the request to
/// somebody else. The tag of what is yet to be acknowledged.
async fn respond(
    channel: Channel,
    since: Instant,
    (request, delivery): (Result<sock::Request>, Delivery),
    server: Arc<dyn Serve>,
) -> Option<DeliveryTag> {
    // what changes something is never carried out twice: when this connection is lost, whether it was done is
    // unknown, and that is the caller's to find out
    let reads = wire::only_reads(&request);
    if !reads && channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await.is_err() {
        return None;
    }
    let until = since + wire::left(&request);
    let in_time = Instant::now() + TOO_LATE < until;
    let response = match request {
        Ok(request) if in_time => Some(answer_read(request, until, server).await),
        Err(error) if in_time => Some(Err(error).into()),
        Ok(_) | Err(_) => None,
    };
    if let (Some(response), Some(to)) = (response, delivery.properties.reply_to()) {
        let body = serde_json::to_vec(&response).unwrap_or_default();
        let (options, properties) = (BasicPublishOptions::default(), wire::of_response(&delivery.properties));
        let _ = channel.basic_publish("".into(), to.clone(), options, &body, properties).await;
    }
    reads.then_some(delivery.delivery_tag)
}
