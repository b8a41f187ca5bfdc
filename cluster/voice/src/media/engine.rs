//! The media thread: a task that reads for each port, and one loop for the clock and the orders.

use std::cell::RefCell;
use std::io;
use std::net;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet, LocalSet};
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};
use uuid::Uuid;

use super::anchor::Anchor;
use super::clock::{Clock, FRAME};
use super::command::Action;
use super::heard::Heard;
use super::outgoing::Outgoing;
use super::stream::Stream;
use super::world::World;

/// A datagram that fills this is longer than any packet we take.
const DATAGRAM: usize = 2048;

pub(super) enum Order {
    Open { opening: Opening, reply: oneshot::Sender<io::Result<()>> },
    Act { leg: Uuid, action: Action },
}

/// A port that becomes a stream, until `closed`.
pub(super) struct Opening {
    pub(super) leg: Uuid,
    pub(super) socket: net::UdpSocket,
    pub(super) anchor: Anchor,
    pub(super) closed: CancellationToken,
}

/// Runs until `stopped`, or until every handle is gone. `world` is made on the thread that will own it.
pub(super) fn start(
    world: impl FnOnce() -> World + Send + 'static,
    orders: mpsc::Receiver<Order>,
    stopped: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    std::thread::Builder::new().name("media".to_owned()).spawn(move || {
        let world = Rc::new(RefCell::new(world()));
        let engine = Engine { world, orders, readers: JoinSet::new(), clock: Clock::new(Instant::now()) };
        LocalSet::new().block_on(&runtime, engine.run(stopped));
    })
}

/// A leg whose reader ended.
type Closed = (Uuid, Rc<UdpSocket>);

struct Engine {
    world: Rc<RefCell<World>>,
    orders: mpsc::Receiver<Order>,
    readers: JoinSet<Closed>,
    clock: Clock,
}

impl Engine {
    async fn run(mut self, stopped: CancellationToken) {
        loop {
            let (is_full, rests) = {
                let world = self.world.borrow();
                (world.is_full(), world.rests())
            };
            tokio::select! {
                biased;
                () = stopped.cancelled() => break,
                () = sleep_until(self.clock.due().into()), if !rests => self.tick(),
                Some(reader) = self.readers.join_next() => self.close(reader),
                order = self.orders.recv(), if !is_full => match order {
                    Some(order) => self.obey(order),
                    None => break,
                },
            }
        }
        self.readers.shutdown().await;
    }

    fn tick(&mut self) {
        let due = self.clock.next();
        let ticks = self.clock.take(Instant::now());
        let mut world = self.world.borrow_mut();
        world.counts.ticked(ticks.end.saturating_sub(ticks.start), ticks.start.saturating_sub(due));
        ticks.for_each(|tick| world.tick(tick));
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Act { leg, action } => self.world.borrow_mut().act(leg, action),
            // Whoever gave up waiting has closed the leg as well.
            Order::Open { opening, reply } => _ = reply.send(self.open(opening)),
        }
    }

    fn open(&mut self, opening: Opening) -> io::Result<()> {
        let Opening { leg, socket, anchor, closed } = opening;
        let socket = Rc::new(UdpSocket::from_std(socket)?);
        let mut world = self.world.borrow_mut();
        if world.rests() {
            world.tick = self.clock.rested(Instant::now());
        }
        let outgoing = Outgoing::new(anchor, anchor.slots(), world.tick);
        let (heard, trust) = (Heard::new(Rc::clone(&world.counts)), world.trust.clone());
        world.add(leg, Stream::new(leg, (Rc::clone(&socket), trust), (outgoing, heard)));
        self.readers.spawn_local(read(Rc::clone(&self.world), leg, socket, closed));
        Ok(())
    }

    fn close(&self, reader: Result<Closed, JoinError>) {
        match reader {
            Ok((leg, socket)) => self.world.borrow_mut().remove(leg, &socket),
            Err(error) => error!(%error, "media reader failed"),
        }
    }
}

/// Hears one port until it is closed. A flood on it cannot starve the others: tokio makes a task pause.
async fn read(
    world: Rc<RefCell<World>>,
    leg: Uuid,
    socket: Rc<UdpSocket>,
    closed: CancellationToken,
) -> Closed {
    let mut buffer = [0; DATAGRAM];
    loop {
        let received = tokio::select! {
            biased;
            () = closed.cancelled() => return (leg, socket),
            received = socket.recv_from(&mut buffer) => received,
        };
        match received {
            Ok((length, _)) if length == DATAGRAM => {}
            Ok((length, from)) => world.borrow_mut().packet(leg, &buffer[..length], from),
            Err(error) => {
                debug!(%leg, %error, "receiving media failed");
                // An error that stays must not keep the thread busy.
                sleep(FRAME).await;
            }
        }
    }
}
