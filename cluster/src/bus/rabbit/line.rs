//! The channel that requests go out on and their replies come back on, as direct reply-to demands.
//!
//! It has no confirms: a request that is lost is missed by whoever waits for its reply, so a confirm would only
//! be one more message for each. What no queue takes comes back. lapin keeps that without a word, so while
//! anybody waits it is looked for; and so is a broker that has gone quiet, and a queue that its consumers left or that died with its node.

use std::sync::Arc;

use futures_util::{StreamExt, pin_mut};
use lapin::message::Delivery;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ErrorKind};
use protocol::{Error, Result};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attendance::Attendance;
use super::link::{Link, closed, gone};
use super::names::{Topology, is_there};
use super::waiting::{Reply, Waiting};
use super::wire::REPLY_TO;

/// How often it is looked whether a request came back. The broker says so within a millisecond.
const RETURNED: Duration = Duration::from_millis(5);
/// How often it is looked whether anybody still consumes the queues that requests wait in.
const LOOK: Duration = Duration::from_secs(1);
/// A broker that says nothing to a question for so long is lost, and with it what was asked through it.
const SILENCE: Duration = Duration::from_secs(2);
/// Before the next channel when one failed while its connection is up.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Line {
    link: Link,
    open: watch::Receiver<Option<Channel>>,
}

impl Line {
    pub(super) fn start(
        link: &Link,
        topology: &Arc<Topology>,
        (waiting, attendance): (&Arc<Waiting>, &Arc<Attendance>),
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Line {
        let (opened, open) = watch::channel(None);
        let operator = Operator {
            link: link.clone(),
            topology: topology.clone(),
            waiting: waiting.clone(),
            attendance: attendance.clone(),
            opened,
        };
        tasks.spawn(stop.clone().run_until_cancelled_owned(operator.keep()));
        Line { link: link.clone(), open }
    }

    /// The channel as it is now; `Unavailable` at once while the broker is away.
    pub(super) fn now(&self) -> Result<Channel> {
        self.link.now()?;
        self.open.borrow().clone().ok_or_else(|| Error::lost("the channel to the broker is not open"))
    }

    pub(super) fn open(&self) -> watch::Receiver<Option<Channel>> {
        self.open.clone()
    }
}

/// The task behind a [`Line`].
struct Operator {
    link: Link,
    topology: Arc<Topology>,
    waiting: Arc<Waiting>,
    attendance: Arc<Attendance>,
    opened: watch::Sender<Option<Channel>>,
}

impl Operator {
    async fn keep(self) {
        loop {
            let connection = self.link.up().await;
            let error = tokio::select! {
                ended = self.session(&connection) => ended.err().unwrap_or_else(closed),
                () = gone(self.link.clone(), connection.clone()) => closed(),
            };
            // first nobody new, then nobody at all
            self.opened.send_replace(None);
            self.waiting.lose();
            if connection.status().connected() {
                tracing::warn!(%error, "channel to the broker closed");
            }
            sleep(PAUSE).await;
        }
    }

    async fn session(&self, connection: &Arc<Connection>) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        self.topology.declare(&channel).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let replies =
            channel.basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default()).await?;
        self.waiting.begin();
        self.opened.send_replace(Some(channel.clone()));
        let watched = self.watch(&channel);
        pin_mut!(replies, watched);
        loop {
            tokio::select! {
                reply = replies.next() => self.hand_over(reply.ok_or_else(closed)??),
                ended = &mut watched => return ended,
            }
        }
    }

    /// A reply that comes too late finds nobody.
    fn hand_over(&self, reply: Delivery) {
        if let Some(id) = reply.properties.correlation_id() {
            self.waiting.resolve(id.as_str(), Reply::Body(reply.data));
        }
    }

    /// Looks after those who wait, and sleeps while nobody does.
    async fn watch(&self, channel: &Channel) -> lapin::Result<()> {
        let mut ticks = interval(RETURNED);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = Instant::now();
        loop {
            self.waiting.somebody().await;
            ticks.tick().await;
            // without confirms there is nothing to wait for: it only takes what came back
            for message in channel.wait_for_confirms().await? {
                if let Some(id) = message.properties.correlation_id() {
                    self.waiting.resolve(id.as_str(), Reply::Returned);
                }
            }
            if looked.elapsed() >= LOOK {
                self.look(channel).await?;
                looked = Instant::now();
            }
        }
    }

    /// Those who wait in a queue without consumers wait in vain.
    async fn look(&self, channel: &Channel) -> lapin::Result<()> {
        timeout(SILENCE, is_there(channel)).await.map_err(|_| silent())??;
        for queue in self.waiting.queues() {
            match self.attendance.is_still_attended(&queue).await {
                Ok(true) => {}
                Ok(false) => self.waiting.desert(&queue),
                Err(_) => return Err(silent()),
            }
        }
        Ok(())
    }
}

fn silent() -> lapin::Error {
    ErrorKind::IOError(Arc::new(std::io::Error::other("the broker does not answer"))).into()
}
