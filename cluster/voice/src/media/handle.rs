//! The handle to the media thread: checks what is asked, then passes it on.
//!
//! It keeps its own small list of legs and bridges, so that every refusal is an answer and not an event.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::{Error, Result, Status};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::error;
use uuid::Uuid;

use super::anchor::Anchor;
use super::clock::ticks;
use super::command::{Action, MediaCommand, Remote};
use super::engine::{self, Opening, Order};
use super::event::{self, MediaEvent};
use super::ports::Ports;
use super::world::World;
use crate::trust::Trust;

/// Orders on their way: every one takes microseconds, so a thread this far behind is not worth waiting for.
const ORDERS: usize = 1024;
/// Digits commands on their way for one leg.
const DIGITS: usize = 16;
/// Legs in a bridge.
const MEMBERS: usize = 2;
/// A media thread that does not open a port within this is stalled; the caller should refuse its call.
const OPEN_WITHIN: Duration = Duration::from_secs(2);

pub(crate) struct Config {
    /// Where RTP ports are bound: one address, `0.0.0.0`, or `::` for both families.
    pub(crate) bind: IpAddr,
    /// The even ports of it are used.
    pub(crate) ports: RangeInclusive<u16>,
    /// No RTP from a peer for this long is told.
    pub(crate) timeout: Duration,
    pub(crate) trust: Trust,
}

/// Starts, tells and ends streams. Cheap to clone; the thread ends with the last clone or at `shutdown`.
#[derive(Clone)]
pub(crate) struct Media(Arc<Shared>);

struct Shared {
    ports: Ports,
    orders: mpsc::Sender<Order>,
    legs: Mutex<HashMap<Uuid, Leg>>,
    stopped: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Leg {
    closed: CancellationToken,
    bridge: Option<Uuid>,
    digits_room: Arc<Semaphore>,
}

impl Media {
    /// Starts the thread. The receiver must be drained all the time.
    ///
    /// # Errors
    /// When the operating system gives no thread or no epoll.
    pub(crate) fn start(config: Config) -> io::Result<(Media, mpsc::Receiver<MediaEvent>)> {
        let (outbox, events) = event::channel();
        let (orders, queue) = mpsc::channel(ORDERS);
        let (stopped, limit) = (CancellationToken::new(), ticks(config.timeout));
        let thread = engine::start(move || World::new(outbox, limit, config.trust), queue, stopped.clone())?;
        let shared = Shared {
            ports: Ports::new(config.bind, config.ports),
            orders,
            legs: Mutex::default(),
            stopped,
            thread: Mutex::new(Some(thread)),
        };
        Ok((Media(Arc::new(shared)), events))
    }

    /// Binds a port for a leg. The anchor must be journalled before it is used in an SDP. A resumed leg keeps
    /// its numbers and, if it is free, its port: another port in the result asks for a re-INVITE.
    ///
    /// # Errors
    /// `Unavailable` when no port is free or the thread is stalled, `AlreadyExists` for an open leg.
    pub(crate) async fn open(&self, leg: Uuid, resume: Option<Anchor>) -> Result<Anchor> {
        let socket = self.0.ports.bind(resume.map(|anchor| anchor.port))?;
        let port = socket.local_addr().map_err(Error::internal)?.port();
        let anchor = resume.map_or_else(|| Anchor::fresh(port), |anchor| Anchor { port, ..anchor });
        let closed = self.enlist(leg)?;
        // Whatever ends this early leaves no stream behind; `enlist` forgets the entry.
        let undo = closed.clone().drop_guard();
        let opening = Opening { leg, socket, anchor, closed };
        let opened = timeout(OPEN_WITHIN, self.order_open(opening)).await;
        opened.unwrap_or_else(|_| Err(Error::unavailable("The media thread is stalled.")))?;
        undo.disarm();
        Ok(anchor)
    }

    /// Points a leg to its peer, for the first time or after a re-INVITE.
    ///
    /// # Errors
    /// `NotFound` for a leg that is not open, `InvalidArgument` when our sockets cannot reach the address's
    /// family, `Unavailable` when the thread is stalled.
    pub(crate) fn connect(&self, leg: Uuid, remote: Remote) -> Result<()> {
        if !self.0.ports.reaches(remote.address) {
            return Err(Error::invalid("The peer's media address is of a family that is not bound here."));
        }
        let legs = self.legs();
        legs.get(&leg).ok_or_else(|| Error::no_such("leg"))?;
        self.send(leg, Action::Connect(remote))
    }

    /// Tells a leg something. What is accepted will be done and, where it says so, reported.
    ///
    /// # Errors
    /// `NotFound` for a leg that is not open, `InvalidArgument` for sounds and digits that cannot be sent,
    /// `FailedPrecondition` for a full bridge or too many digits, `Unavailable` when the thread is stalled.
    pub(crate) fn command(&self, leg: Uuid, command: MediaCommand) -> Result<()> {
        let digits_room = self.legs().get(&leg).map(|leg| Arc::clone(&leg.digits_room));
        let action = Action::new(command, &digits_room.ok_or_else(|| Error::no_such("leg"))?)?;
        let mut legs = self.legs();
        let bridge = action.bridge(legs.get(&leg).and_then(|leg| leg.bridge));
        let others = legs.iter().filter(|(id, other)| **id != leg && other.bridge == bridge).count();
        if bridge.is_some() && others >= MEMBERS {
            return Err(Error::state("The bridge is full."));
        }
        let entry = legs.get_mut(&leg).ok_or_else(|| Error::no_such("leg"))?;
        self.send(leg, action)?;
        entry.bridge = bridge;
        Ok(())
    }

    /// Ends a stream and gives its port back; nothing is reported. Closing twice is no error.
    pub(crate) fn close(&self, leg: Uuid) {
        if let Some(leg) = self.legs().remove(&leg) {
            leg.closed.cancel();
        }
    }

    /// Ends every stream and waits for the thread, which takes no longer than a tick.
    pub(crate) fn shutdown(self) {
        self.0.stopped.cancel();
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!("the media thread had panicked");
        }
    }

    fn enlist(&self, leg: Uuid) -> Result<CancellationToken> {
        let closed = CancellationToken::new();
        let entry =
            Leg { closed: closed.clone(), bridge: None, digits_room: Arc::new(Semaphore::new(DIGITS)) };
        let mut legs = self.legs();
        legs.retain(|_, leg| !leg.closed.is_cancelled());
        if legs.contains_key(&leg) {
            return Err(Error::new(Status::AlreadyExists, "LEG_EXISTS", "The leg is already open."));
        }
        legs.insert(leg, entry);
        Ok(closed)
    }

    async fn order_open(&self, opening: Opening) -> Result<()> {
        let (reply, opened) = oneshot::channel();
        self.0.orders.send(Order::Open { opening, reply }).await.map_err(|_| gone())?;
        opened.await.map_err(|_| gone())?.map_err(Error::internal)
    }

    /// Called with the list locked, so that orders have the order of the list's changes.
    fn send(&self, leg: Uuid, action: Action) -> Result<()> {
        self.0.orders.try_send(Order::Act { leg, action }).map_err(|_| gone())
    }

    fn legs(&self) -> MutexGuard<'_, HashMap<Uuid, Leg>> {
        self.0.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gone() -> Error {
    Error::unavailable("The media thread takes no more orders.")
}
