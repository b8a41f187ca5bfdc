//! Does anybody consume a queue? A request for a queue without consumers is refused at once.
//!
//! VoIPBIN's request queues outlive their consumers, so a mandatory message is not returned: it would wait
//! until it expires, and its caller with it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{Channel, ErrorKind};
use protocol::{Error, Result};
use tokio::sync;
use tokio::time::{Duration, Instant, timeout};

use super::link::{Link, gone};
use super::names::{is_shared, is_there};

/// How long it is believed that somebody consumes, and that nobody does.
const SOMEBODY: Duration = Duration::from_secs(1);
const NOBODY: Duration = Duration::from_millis(100);
/// A broker that takes longer to say is as good as lost.
const LIMIT: Duration = Duration::from_secs(2);

pub(super) struct Attendance {
    link: Link,
    /// Asks one question at a time: a queue that does not exist closes it.
    channel: sync::Mutex<Option<Channel>>,
    /// What was said of each queue, and how long it is believed.
    seen: Mutex<HashMap<String, (Instant, bool)>>,
}

impl Attendance {
    pub(super) fn new(link: Link) -> Self {
        Attendance { link, channel: sync::Mutex::default(), seen: Mutex::default() }
    }

    /// Before a request is sent: the queue of one node goes with its consumer, and a request for none comes back.
    /// `Unavailable` within [`LIMIT`] when the broker does not say.
    pub(super) async fn is_attended(&self, queue: &str) -> Result<bool> {
        if !is_shared(queue) {
            return Ok(true);
        }
        match self.said_lately(queue) {
            Some(attended) => Ok(attended),
            None => self.is_still_attended(queue).await,
        }
    }

    /// While somebody waits: a request that was in the queue of a node when that node died is gone with it, and
    /// nobody says so.
    pub(super) async fn is_still_attended(&self, queue: &str) -> Result<bool> {
        self.in_time(self.look(queue)).await
    }

    /// A round trip to the broker.
    pub(super) async fn probe(&self) -> Result<()> {
        self.in_time(async {
            let mut kept = self.channel.lock().await;
            let channel = self.channel(&mut kept).await?;
            is_there(&channel).await.map_err(lost)?;
            *kept = Some(channel);
            Ok(())
        })
        .await
    }

    /// Waits no longer than the connection lasts.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let connection = self.link.now()?;
        tokio::select! {
            answer = timeout(LIMIT, answer) => answer.unwrap_or_else(|_| Err(silent())),
            () = gone(self.link.clone(), connection) => Err(silent()),
        }
    }

    async fn look(&self, queue: &str) -> Result<bool> {
        let mut kept = self.channel.lock().await;
        // somebody else may have asked while this one waited
        if let Some(attended) = self.said_lately(queue) {
            return Ok(attended);
        }
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = self.channel(&mut kept).await?;
        let attended = match channel.queue_declare(queue.into(), options, FieldTable::default()).await {
            Ok(queue) => {
                *kept = Some(channel);
                queue.consumer_count() > 0
            }
            Err(error) if is_refused(&error, AMQPSoftError::NOTFOUND) => false,
            // another node's own: it is there, and so is its node
            Err(error) if is_refused(&error, AMQPSoftError::RESOURCELOCKED) => true,
            Err(error) => return Err(lost(error)),
        };
        let until = Instant::now() + if attended { SOMEBODY } else { NOBODY };
        self.seen().insert(queue.to_owned(), (until, attended));
        Ok(attended)
    }

    fn said_lately(&self, queue: &str) -> Option<bool> {
        let seen = self.seen();
        seen.get(queue).filter(|(until, _)| Instant::now() < *until).map(|(_, attended)| *attended)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, (Instant, bool)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Taken out: whoever gives up waiting for an answer leaves no channel on which it may still come.
    async fn channel(&self, kept: &mut Option<Channel>) -> Result<Channel> {
        let connection = self.link.now()?;
        match kept.take().filter(|channel| channel.status().connected()) {
            Some(channel) => Ok(channel),
            None => connection.create_channel().await.map_err(lost),
        }
    }
}

fn is_refused(error: &lapin::Error, why: AMQPSoftError) -> bool {
    let ErrorKind::ProtocolError(refused) = error.kind() else { return false };
    *refused.kind() == AMQPErrorKind::Soft(why)
}

fn lost(error: lapin::Error) -> Error {
    Error::lost(format!("the broker does not answer: {error}"))
}

fn silent() -> Error {
    Error::lost("the broker does not answer")
}
