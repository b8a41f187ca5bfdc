//! One channel to publish facts on, with confirms: what is posted is confirmed, refused, or lost with the channel.
//!
//! One task publishes, because lapin numbers messages before it queues them: two tasks side by side could get
//! each other's confirms.

use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Connection, ErrorKind};
use protocol::{Error, Result};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::link::{Link, closed, gone};
use super::names::Topology;

/// Messages that wait to be written. The connection is quicker than this is long, or it is stuck.
const QUEUED: usize = 1024;
/// Messages that the broker has not confirmed. More, and it is overloaded.
const UNCONFIRMED: usize = 4096;
/// Without any confirm for so long the channel is given up for a new one, and whoever waits offers again:
/// what is never confirmed must not stay in the way.
const STALL: Duration = Duration::from_secs(3);
/// Before the next channel when one failed while its connection is up.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Letter {
    pub(super) exchange: ShortString,
    pub(super) key: ShortString,
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
    /// True when the broker has it, false when it refused; dropped when nobody can know.
    pub(super) fate: oneshot::Sender<bool>,
}

pub(super) struct Post {
    link: Link,
    letters: mpsc::Sender<Letter>,
    ready: watch::Receiver<bool>,
}

impl Post {
    pub(super) fn start(
        link: &Link,
        topology: &Arc<Topology>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Post {
        let (letters, queued) = mpsc::channel(QUEUED);
        let (is_ready, ready) = watch::channel(false);
        let clerk = Clerk { link: link.clone(), topology: topology.clone(), queued, is_ready };
        tasks.spawn(stop.clone().run_until_cancelled_owned(clerk.keep()));
        Post { link: link.clone(), letters, ready }
    }

    /// Hands a message over, in the order of calls. `Unavailable` at once while the broker is away.
    pub(super) fn send(&self, letter: Letter) -> Result<()> {
        self.link.now()?;
        if !*self.ready.borrow() {
            return Err(Error::lost("the channel to the broker is not open"));
        }
        self.letters.try_send(letter).map_err(|_| Error::unavailable("too much waits for the broker"))
    }

    pub(super) fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }
}

/// The task behind a [`Post`].
struct Clerk {
    link: Link,
    topology: Arc<Topology>,
    queued: mpsc::Receiver<Letter>,
    is_ready: watch::Sender<bool>,
}

impl Clerk {
    async fn keep(mut self) {
        loop {
            let connection = self.link.up().await;
            let gone = gone(self.link.clone(), connection.clone());
            let ended = tokio::select! {
                ended = self.session(&connection) => ended,
                () = gone => Err(closed()),
            };
            self.is_ready.send_replace(false);
            while self.queued.try_recv().is_ok() {}
            let Err(error) = ended else { return };
            if connection.status().connected() {
                tracing::warn!(%error, "channel to the broker closed");
            }
            sleep(PAUSE).await;
        }
    }

    /// Ends well only when nobody posts any more.
    async fn session(&mut self, connection: &Arc<Connection>) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        self.topology.declare(&channel).await?;
        let mut confirms = FuturesUnordered::new();
        self.is_ready.send_replace(true);
        let mut stalls = Instant::now();
        loop {
            tokio::select! {
                letter = self.queued.recv(), if confirms.len() < UNCONFIRMED => {
                    let Some(letter) = letter else { return Ok(()) };
                    if confirms.is_empty() {
                        stalls = Instant::now() + STALL;
                    }
                    let (Letter { exchange, key, body, properties, fate }, options) =
                        (letter, BasicPublishOptions::default());
                    let sent = channel.basic_publish(exchange, key, options, &body, properties);
                    confirms.push(sent.await?.map(|confirmed| (fate, confirmed)));
                }
                Some((fate, confirmed)) = confirms.next() => {
                    stalls = Instant::now() + STALL;
                    let _ = fate.send(confirmed?.is_ack());
                }
                () = sleep_until(stalls), if !confirms.is_empty() => return Err(silent()),
            }
        }
    }
}

fn silent() -> lapin::Error {
    ErrorKind::IOError(Arc::new(std::io::Error::other("the broker confirms nothing"))).into()
}
