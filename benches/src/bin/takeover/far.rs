//! The far end: a carrier that answers every call at once, and hears and speaks on a port of each.
//!
//! All times are taken here, where a person would sit: nothing of them is a node's own word.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use benches::served::HERE;
use protocol::{Error, Result};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep};

use crate::ear::Ear;
use crate::words;

/// Longer than any datagram that a node sends.
const DATAGRAM: usize = 4096;
/// All calls are moved within a few milliseconds, and a message that finds no room is repeated only 0.5 s later: a
/// wait of the bench, not of the node. The system may grant less.
const ROOM: usize = 4 << 20;
/// What telephones send and expect.
const FRAME: Duration = Duration::from_millis(20);
/// How often somebody looks whether all calls are as they should be.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<HashMap<String, Arc<Ear>>>>);

pub(crate) struct FarEnd {
    pub(crate) address: SocketAddr,
    calls: Calls,
    _tasks: JoinSet<()>,
}

impl FarEnd {
    pub(crate) async fn open() -> Result<FarEnd> {
        let socket = UdpSocket::bind(SocketAddr::new(HERE, 0)).await.map_err(Error::internal)?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(ROOM).map_err(Error::internal)?;
        let address = socket.local_addr().map_err(Error::internal)?;
        let (calls, mut tasks) = (Calls::default(), JoinSet::new());
        tasks.spawn(speak(calls.clone()));
        let switch = Switch { socket, address, calls: calls.clone() };
        tasks.spawn(async move { switch.serve().await });
        Ok(FarEnd { address, calls, _tasks: tasks })
    }

    /// Those of the calls since the last time that this was asked are forgotten.
    pub(crate) fn forget(&self) {
        self.calls.lock().clear();
    }

    pub(crate) fn calls(&self) -> Vec<Arc<Ear>> {
        self.calls.all()
    }

    /// Waits until so many calls are `so`. How many there were in the end.
    pub(crate) async fn until(&self, count: usize, limit: Duration, so: impl Fn(&Ear) -> bool) -> usize {
        let began = Instant::now();
        loop {
            let found = self.calls().iter().filter(|call| so(call)).count();
            if found >= count || began.elapsed() > limit {
                return found;
            }
            sleep(LOOK).await;
        }
    }
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Ear>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Ear>> {
        self.lock().values().cloned().collect()
    }

    fn get(&self, id: &str) -> Option<Arc<Ear>> {
        self.lock().get(id).cloned()
    }
}

/// A frame to every call that is up, as long as the far end lives.
async fn speak(calls: Calls) {
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for frame in 0.. {
        frames.tick().await;
        for call in calls.all() {
            call.say(frame);
        }
    }
}

/// The signalling of the far end. It repeats nothing: on loopback only a full buffer loses a message, and then
/// the node repeats its request.
struct Switch {
    socket: UdpSocket,
    address: SocketAddr,
    calls: Calls,
}

impl Switch {
    async fn serve(&self) {
        let (mut datagram, mut ears) = (vec![0; DATAGRAM], JoinSet::new());
        loop {
            // an error is that of an earlier answer, which met nobody
            let Ok((length, from)) = self.socket.recv_from(&mut datagram).await else { continue };
            let message = String::from_utf8_lossy(&datagram[..length]).into_owned();
            if let Some(answer) = self.hear(&message, &mut ears).await {
                // the node repeats what was not answered
                let _ = self.socket.send_to(answer.as_bytes(), from).await;
            }
        }
    }

    async fn hear(&self, message: &str, ears: &mut JoinSet<()>) -> Option<String> {
        let (id, own) = (words::header(message, "Call-ID"), self.address);
        let known = self.calls.get(id);
        match message.split(' ').next() {
            Some("INVITE") => {
                let call = match known {
                    Some(call) => call,
                    None => self.take(id, ears).await?,
                };
                call.offered(message);
                Some(words::yes(message, own, &words::sdp(call.address)))
            }
            Some("ACK") => {
                known.inspect(|call| call.acknowledged());
                None
            }
            Some("BYE") => {
                known.inspect(|call| call.ended());
                Some(words::yes(message, own, ""))
            }
            Some("SIP/2.0") | None => None,
            Some(_) => Some(words::yes(message, own, "")),
        }
    }

    /// A new call, with an ear of its own.
    async fn take(&self, id: &str, ears: &mut JoinSet<()>) -> Option<Arc<Ear>> {
        // without a port there is no call: the node gives up by itself
        let call = Arc::new(Ear::open().await.ok()?);
        self.calls.lock().insert(id.to_owned(), call.clone());
        let ear = call.clone();
        ears.spawn(async move { ear.listen().await });
        Some(call)
    }
}
