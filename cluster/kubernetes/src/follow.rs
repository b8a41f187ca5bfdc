//! List, then watch from there; again from the last version that was seen, or from a new list when that is too
//! old or a line could not be read.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1;
use kube::api::{WatchEvent, WatchParams};
use kube::core::Status;
use protocol::ports::{Pod, PodWatch, Sighting};
use protocol::{Error, Result};
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::connect::Kubernetes;
use crate::list::failed;
use crate::patience::Patience;
use crate::read::read;

/// Sightings told at once: what is written of them is one transaction.
const MOST: usize = 64;
/// The server ends a watch by itself; one that is silent for so much longer is cut.
const LATE: Duration = Duration::from_secs(10);
/// The version is no longer known: HTTP's `Gone`.
const GONE: u16 = 410;

type Lines = BoxStream<'static, kube::Result<WatchEvent<v1::Pod>>>;

/// How far it is.
enum At {
    Start,
    /// Everything up to this version is known.
    Version(String),
    Watching {
        version: String,
        lines: Lines,
        since: Instant,
    },
}

pub(crate) struct Follow {
    of: Kubernetes,
    at: At,
    patience: Patience,
    /// Behind sightings that were told first.
    failed: Option<Error>,
    pause: Option<Duration>,
}

#[async_trait]
impl PodWatch for Follow {
    async fn next(&mut self) -> Result<Vec<Sighting>> {
        if let Some(pause) = self.pause.take() {
            sleep(pause).await;
        }
        let outcome = match self.failed.take() {
            Some(error) => Err(error),
            None => self.seen().await,
        };
        match &outcome {
            Ok(_) => self.patience.succeeded(),
            Err(_) => self.pause = Some(self.patience.pause()),
        }
        outcome
    }
}

impl Follow {
    pub(crate) fn new(of: Kubernetes) -> Self {
        let patience = Patience::new(of.limits.first_pause, of.limits.longest_pause);
        Follow { of, at: At::Start, patience, failed: None, pause: None }
    }

    async fn seen(&mut self) -> Result<Vec<Sighting>> {
        loop {
            // whatever fails on the way begins there again
            match std::mem::replace(&mut self.at, At::Start) {
                At::Start => {
                    let (pods, version) = self.of.list().await?;
                    self.at = At::Version(version);
                    return Ok(vec![Sighting::All(pods)]);
                }
                At::Version(version) => self.open(version).await?,
                At::Watching { version, lines, since } => {
                    let mut reading = Reading { version, lines, seen: Vec::new() };
                    let end = reading.read(self.of.limits.watch + LATE).await;
                    let seen = std::mem::take(&mut reading.seen);
                    let ended = self.go_on(reading, end, since);
                    if seen.is_empty() {
                        ended?;
                        continue;
                    }
                    self.failed = ended.err();
                    return Ok(seen);
                }
            }
        }
    }

    async fn open(&mut self, version: String) -> Result<()> {
        // the server takes whole seconds, and ends the watch by itself then
        let seconds = u32::try_from(self.of.limits.watch.as_secs()).unwrap_or(u32::MAX);
        let params = WatchParams::default().labels(&self.of.selector).timeout(seconds);
        let api = self.of.api.clone();
        let opening = self.of.answer(api.watch(&params, &version)).await;
        match opening.map(|opened| opened.map(|lines| lines.boxed())) {
            Ok(Ok(lines)) => {
                self.at = At::Watching { version, lines, since: Instant::now() };
                Ok(())
            }
            Ok(Err(kube::Error::Api(status))) if status.code == GONE => Err(refused(&status)),
            Ok(Err(error)) => {
                self.at = At::Version(version);
                Err(failed("watch", &error))
            }
            Err(error) => {
                self.at = At::Version(version);
                Err(error)
            }
        }
    }

    /// Where it goes on after what was read.
    fn go_on(&mut self, reading: Reading, end: End, since: Instant) -> Result<()> {
        let Reading { version, lines, .. } = reading;
        match end {
            End::Later => self.at = At::Watching { version, lines, since },
            End::Ended => {
                self.at = At::Version(version);
                if since.elapsed() < self.of.limits.short {
                    return Err(Error::unavailable("the watch ended at once"));
                }
            }
            End::Broken(error) => {
                self.at = At::Version(version);
                return Err(error);
            }
            End::Missed(error) => return Err(error),
        }
        Ok(())
    }
}

/// One turn at the lines of a watch.
struct Reading {
    version: String,
    lines: Lines,
    seen: Vec<Sighting>,
}

/// Why a turn is over.
enum End {
    /// There is enough to tell, or nothing more yet.
    Later,
    /// The watch is over, as each is some time.
    Ended,
    /// It failed; nothing was missed.
    Broken(Error),
    /// Something may have been missed.
    Missed(Error),
}

impl Reading {
    /// Waits for the first sighting, and takes along what is there already.
    async fn read(&mut self, silence: Duration) -> End {
        while self.seen.len() < MOST {
            let line = if self.seen.is_empty() {
                timeout(silence, self.lines.next()).await.unwrap_or(None)
            } else {
                match self.lines.next().now_or_never() {
                    Some(line) => line,
                    None => return End::Later,
                }
            };
            if let Some(end) = self.take(line) {
                return end;
            }
        }
        End::Later
    }

    fn take(&mut self, line: Option<kube::Result<WatchEvent<v1::Pod>>>) -> Option<End> {
        match line {
            Some(Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod))) => self.note(pod, Sighting::There),
            Some(Ok(WatchEvent::Deleted(pod))) => self.note(pod, Sighting::Gone),
            Some(Ok(WatchEvent::Bookmark(mark))) => self.version = mark.metadata.resource_version,
            Some(Ok(WatchEvent::Error(status))) if status.code == GONE => {
                return Some(End::Missed(refused(&status)));
            }
            Some(Ok(WatchEvent::Error(status))) => return Some(End::Broken(refused(&status))),
            // what stood in that line is not known, and the next one is behind it
            Some(Err(error @ (kube::Error::SerdeError(_) | kube::Error::Api(_)))) => {
                return Some(End::Missed(failed("watch", &error)));
            }
            Some(Err(error)) => return Some(End::Broken(failed("watch", &error))),
            None => return Some(End::Ended),
        }
        None
    }

    fn note(&mut self, mut pod: v1::Pod, as_what: fn(Pod) -> Sighting) {
        if let Some(version) = pod.metadata.resource_version.take() {
            self.version = version;
        }
        self.seen.push(as_what(read(pod)));
    }
}

fn refused(status: &Status) -> Error {
    Error::unavailable(format!("the API server: {} {}", status.code, status.message))
}
