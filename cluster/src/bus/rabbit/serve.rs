//! Requests of other nodes: taken when there is a place; acknowledged when they are answered, or before they
//! begin if they change something.
//!
//! What this node cannot begin soon goes back to the queue, where a node that has a place takes it, or where
//! it expires with the patience of its caller.

use std::collections::{HashMap, VecDeque};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join;
use futures_util::{StreamExt, poll};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions,
    BasicQosOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection};
use protocol::ports::Serve;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::super::answer::{LONGEST, answer_read, read};
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
                Some(_) = desk.work.join_next() => while desk.work.try_join_next().is_some() {},
                () = &mut desk.ready, if oldest.is_some() => desk.begin().await,
                delivery = deliveries.next() => desk.take(delivery).await?,
                () = sleep_until(oldest.unwrap_or_else(Instant::now)), if oldest.is_some() => {
                    desk.give_back().await?;
                }
            }
        }
        channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default()).await?;
        while desk.give_back().await? {}
        let _ = timeout(LAST_ANSWERS, async { while desk.work.join_next().await.is_some() {} }).await;
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
    work: JoinSet<()>,
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
        }
    }

    /// Where there is a place the oldest begins at once.
    async fn take(&mut self, delivery: Option<lapin::Result<Delivery>>) -> lapin::Result<()> {
        let delivery = delivery.ok_or_else(closed)??;
        self.waiting.push_back((Instant::now(), delivery));
        if poll!(self.ready.as_mut()).is_ready() {
            self.begin().await;
        }
        Ok(())
    }

    /// The first step is taken here, so that the place which `ready` promised is taken before it is asked for
    /// again.
    async fn begin(&mut self) {
        self.ready = ready(self.server.clone());
        let Some((since, delivery)) = self.waiting.pop_front() else { return };
        let first = delivery.properties.correlation_id().as_ref().and_then(|id| self.first_seen.remove(id));
        let since = first.unwrap_or(since);
        let mut work = Box::pin(respond(self.channel.clone(), since, delivery, self.server.clone()));
        if poll!(work.as_mut()).is_pending() {
            self.work.spawn(work);
        }
    }

    /// Returns the oldest that waits, if there is one.
    async fn give_back(&mut self) -> lapin::Result<bool> {
        let Some((since, delivery)) = self.waiting.pop_front() else { return Ok(false) };
        if let Some(id) = delivery.properties.correlation_id() {
            self.first_seen.retain(|_, first| first.elapsed() < LONGEST);
            self.first_seen.entry(id.clone()).or_insert(since);
        }
        delivery.nack(BasicNackOptions { requeue: true, multiple: false }).await
    }
}

fn ready(server: Arc<dyn Serve>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move { server.ready().await })
}

/// A channel that is gone takes neither answer nor acknowledgement: then the broker has given the request to
/// somebody else.
async fn respond(channel: Channel, since: Instant, delivery: Delivery, server: Arc<dyn Serve>) {
    // what changes something is never carried out twice: when this connection is lost, whether it was done is
    // unknown, and that is the caller's to find out
    let request = read(&delivery.data);
    let reads = wire::only_reads(&request);
    if !reads && delivery.ack(BasicAckOptions::default()).await.is_err() {
        return;
    }
    let until = since + wire::left(&request);
    let in_time = Instant::now() + TOO_LATE < until;
    let response = match request {
        Ok(request) if in_time => Some(answer_read(request, until, server).await),
        Err(error) if in_time => Some(Err(error).into()),
        Ok(_) | Err(_) => None,
    };
    let answered = async {
        let (Some(response), Some(to)) = (response, delivery.properties.reply_to()) else { return };
        let body = serde_json::to_vec(&response).unwrap_or_default();
        let (options, properties) = (BasicPublishOptions::default(), wire::of_response(&delivery.properties));
        let _ = channel.basic_publish("".into(), to.clone(), options, &body, properties).await;
    };
    let acknowledged = async {
        if reads {
            let _ = delivery.ack(BasicAckOptions::default()).await;
        }
    };
    // the answer is the first on the channel, and both are written at once
    join(answered, acknowledged).await;
}
