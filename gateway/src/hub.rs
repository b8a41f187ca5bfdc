//! Every open WebSocket of this node, and the one task that hands events to them.
//!
//! Nothing waits for a reader: what does not fit a socket's buffer closes the socket.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper_tungstenite::tungstenite::Utf8Bytes;
use protocol::{Error, Event, Result, delivered};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch};
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};
use uuid::Uuid;

use crate::parts::Parts;
use crate::settings::Settings;
use crate::{go_json, topics};

/// VoIPBIN's buffer of a socket, and how many bytes may wait in it.
const FRAMES: usize = 2000;
const BYTES: usize = 1 << 20;

/// How long after a lost bus the hub asks for events again.
const RETRY: Duration = Duration::from_secs(1);
/// How long events are still watched when the last socket has gone: the next one may be there soon.
const LINGER: Duration = Duration::from_secs(60);
/// How long a new socket waits for events to be watched. While the bus is away it opens without, and hears when it is
/// back.
const BEGINS: Duration = Duration::from_secs(2);

pub(crate) struct Hub {
    /// By whose events can reach them; `None` hears everybody's.
    crowd: Mutex<HashMap<Option<Uuid>, Vec<Arc<Listener>>>>,
    places: Arc<Semaphore>,
    /// Somebody has come.
    came: Notify,
    /// Events are watched. It becomes false in one step with the look at an empty crowd.
    hears: watch::Sender<bool>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) cut: CancellationToken,
    pub(crate) ping: Duration,
    pub(crate) silence: Duration,
}

/// One socket, seen from the hub.
pub(crate) struct Listener {
    topics: Mutex<BTreeSet<String>>,
    queue: mpsc::Sender<Utf8Bytes>,
    waiting: AtomicUsize,
    /// Cancelled when the reader is too slow.
    pub(crate) cut: CancellationToken,
}

/// A place in the hub; it is free again when this is dropped.
pub(crate) struct Seat {
    pub(crate) listener: Arc<Listener>,
    audience: Option<Uuid>,
    frames: mpsc::Receiver<Utf8Bytes>,
    hub: Arc<Hub>,
    _place: OwnedSemaphorePermit,
}

impl Hub {
    /// `stop` says goodbye to every socket, `cut` does not.
    pub(crate) fn new(
        settings: &Settings,
        (tasks, stop, cut): (TaskTracker, CancellationToken, CancellationToken),
    ) -> Self {
        let places = Arc::new(Semaphore::new(settings.sockets));
        let (ping, silence) = (settings.ping, settings.silence);
        let (came, hears) = (Notify::new(), watch::Sender::new(false));
        Hub { crowd: Mutex::new(HashMap::new()), places, came, hears, tasks, stop, cut, ping, silence }
    }

    pub(crate) fn enter(self: &Arc<Self>, audience: Option<Uuid>) -> Result<Seat> {
        let full = |_| Error::unavailable("Too many WebSockets are open.");
        let place = self.places.clone().try_acquire_owned().map_err(full)?;
        let (queue, frames) = mpsc::channel(FRAMES);
        let listener = Arc::new(Listener {
            topics: Mutex::default(),
            queue,
            waiting: AtomicUsize::new(0),
            cut: CancellationToken::new(),
        });
        lock(&self.crowd).entry(audience).or_default().push(listener.clone());
        self.came.notify_one();
        Ok(Seat { listener, audience, frames, hub: self.clone(), _place: place })
    }

    /// Hands on events until the server stops.
    pub(crate) async fn run(self: Arc<Self>, parts: Parts) {
        self.stop.run_until_cancelled(self.watch(&parts)).await;
    }

    /// Until events are watched, so that whoever has a socket misses none.
    pub(crate) async fn begins(&self) {
        let _ = timeout(BEGINS, self.hears.subscribe().wait_for(|hears| *hears)).await;
    }

    /// Only while there is a socket: a bus brings events to where they are watched, and that is not free.
    async fn watch(&self, parts: &Parts) {
        loop {
            while lock(&self.crowd).is_empty() {
                self.came.notified().await;
            }
            match parts.bus.watch().await {
                Ok(mut events) => {
                    self.hears.send_replace(true);
                    self.pump(&mut events, parts).await;
                }
                Err(error) => {
                    warn!(%error, "events not watched");
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn pump(&self, events: &mut broadcast::Receiver<Arc<Event>>, parts: &Parts) {
        let mut alone = None;
        loop {
            match events.recv().await {
                Ok(event) => self.deliver(&event, parts),
                Err(RecvError::Lagged(missed)) => warn!(missed, "events missed by the sockets"),
                Err(RecvError::Closed) => {
                    self.hears.send_replace(false);
                    return sleep(RETRY).await;
                }
            }
            if self.is_deserted(&mut alone) {
                return;
            }
        }
    }

    /// Nobody has been here for a while, nor is now.
    fn is_deserted(&self, alone: &mut Option<Instant>) -> bool {
        let crowd = lock(&self.crowd);
        if !crowd.is_empty() {
            *alone = None;
            return false;
        }
        let deserted = alone.get_or_insert_with(Instant::now).elapsed() > LINGER;
        if deserted {
            self.hears.send_replace(false);
        }
        deserted
    }

    fn deliver(&self, event: &Event, parts: &Parts) {
        let Some(customer) = event.customer_id() else { return };
        if !delivered::is_delivered(&event.publisher, &event.r#type) {
            return;
        }
        let near = self.near(customer);
        if near.is_empty() {
            return;
        }
        let topics = topics::of(event, customer);
        let takers: Vec<_> = near.into_iter().filter(|listener| listener.hears(&topics)).collect();
        if takers.is_empty() {
            return;
        }
        match frame(event, parts) {
            Ok(frame) => takers.iter().for_each(|listener| listener.offer(&frame)),
            Err(error) => debug!(event = event.r#type, %error, "event not shown"),
        }
    }

    fn near(&self, customer: Uuid) -> Vec<Arc<Listener>> {
        let crowd = lock(&self.crowd);
        [Some(customer), None].iter().filter_map(|audience| crowd.get(audience)).flatten().cloned().collect()
    }
}

/// The view of the resource and nothing around it.
fn frame(event: &Event, parts: &Parts) -> Result<Utf8Bytes> {
    let entry = parts.catalog()?.named(&event.resource).ok_or_else(|| Error::no_such(&event.resource))?;
    let bytes = go_json::bytes(&entry.resource.view(&event.data))?;
    Utf8Bytes::try_from(bytes).map_err(Error::internal)
}

impl Listener {
    pub(crate) fn topics(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.topics)
    }

    fn hears(&self, topics: &[String]) -> bool {
        let wanted = self.topics();
        topics.iter().any(|topic| wanted.iter().any(|prefix| topic.starts_with(prefix.as_str())))
    }

    /// A single frame may be larger than the buffer; a second one then waits for it in vain.
    fn offer(&self, frame: &Utf8Bytes) {
        let before = self.waiting.fetch_add(frame.len(), Ordering::Relaxed);
        let is_over = before > 0 && before + frame.len() > BYTES;
        if is_over || self.queue.try_send(frame.clone()).is_err() {
            self.cut.cancel();
        }
    }
}

impl Seat {
    pub(crate) async fn next(&mut self) -> Option<Utf8Bytes> {
        let frame = self.frames.recv().await?;
        self.listener.waiting.fetch_sub(frame.len(), Ordering::Relaxed);
        Some(frame)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut crowd = lock(&self.hub.crowd);
        let Some(neighbours) = crowd.get_mut(&self.audience) else { return };
        neighbours.retain(|other| !Arc::ptr_eq(other, &self.listener));
        if neighbours.is_empty() {
            crowd.remove(&self.audience);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
