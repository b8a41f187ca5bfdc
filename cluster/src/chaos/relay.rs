//! A TCP connection to the broker or the database that can be cut, held up or spoilt: the outage of a server
//! over which one has no rights.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use protocol::{Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};
use tokio_util::task::AbortOnDropHandle;

const CHUNK: usize = 16 << 10;
/// When the process has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Clear,
    /// Connections stay open, new ones are taken, and nothing passes.
    Stalled,
    /// Connections end, and so does every new one.
    Away,
}

/// Which bytes of an answer are spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// The first ones, where protocols without checksums say what follows: whoever reads them has to notice.
    Head,
    /// Any of them. What is only text arrives as another text.
    Anywhere,
}

#[derive(Clone, Copy)]
struct State {
    weather: Weather,
    /// Counts what ended all connections at once.
    cuts: u32,
    /// Counts what made all connections lose their answers.
    losses: u32,
}

/// Spoils answers only: what a client has sent and was told is stored must be what it sent.
struct Noise {
    /// Pieces still to be spoilt.
    left: AtomicU32,
    anywhere: std::sync::atomic::AtomicBool,
}

/// Passes on what comes to [`Relay::local`] until it is dropped.
pub struct Relay {
    local: SocketAddr,
    state: watch::Sender<State>,
    noise: Arc<Noise>,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    /// On a port of its own, below those that the system takes.
    ///
    /// # Errors
    /// No port is free.
    #[expect(clippy::disallowed_methods, reason = "the relay owns its task")]
    pub async fn before(target: String) -> Result<Relay> {
        let port = crate::demo::free_port()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(Error::internal)?;
        let local = listener.local_addr().map_err(Error::internal)?;
        let (state, seen) = watch::channel(State { weather: Weather::Clear, cuts: 0, losses: 0 });
        let noise = Arc::new(Noise { left: AtomicU32::new(0), anywhere: false.into() });
        let task = tokio::spawn(accept(listener, target, seen, noise.clone()));
        Ok(Relay { local, state, noise, _task: AbortOnDropHandle::new(task) })
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Ends all connections; new ones work at once.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// From now on no answer arrives on the connections that are open; new ones work.
    pub fn lose_answers(&self) {
        self.state.send_modify(|state| state.losses += 1);
    }

    pub fn away(&self) {
        self.set(Weather::Away);
    }

    pub fn stall(&self) {
        self.set(Weather::Stalled);
    }

    /// Spoils one byte in each of the next `pieces` of answers.
    pub fn spoil(&self, pieces: u32, place: Where) {
        self.noise.anywhere.store(place == Where::Anywhere, Ordering::Relaxed);
        self.noise.left.store(pieces, Ordering::Relaxed);
    }

    /// As if nothing had been; what was held up goes on its way.
    pub fn heal(&self) {
        self.noise.left.store(0, Ordering::Relaxed);
        self.set(Weather::Clear);
    }

    fn set(&self, weather: Weather) {
        self.state.send_modify(|state| state.weather = weather);
    }
}

async fn accept(listener: TcpListener, target: String, state: watch::Receiver<State>, noise: Arc<Noise>) {
    let mut links = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        if state.borrow().weather != Weather::Away {
            links.spawn(link(client, target.clone(), state.clone(), noise.clone()));
        }
        while links.try_join_next().is_some() {}
    }
}

/// One connection, until either side or the weather ends it.
async fn link(client: TcpStream, target: String, mut state: watch::Receiver<State>, noise: Arc<Noise>) {
    let Ok(server) = TcpStream::connect(&target).await else { return };
    // small questions and answers: waiting for more of them would be a fault nobody asked for
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let cuts = state.borrow().cuts;
    let (asks, answered) = client.into_split();
    let (answers, asked) = server.into_split();
    let (there, back) = (state.clone(), state.clone());
    tokio::select! {
        _ = state.wait_for(|state| state.weather == Weather::Away || state.cuts != cuts) => {}
        () = pass(asks, asked, there, None) => {}
        () = pass(answers, answered, back, Some(noise)) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    noise: Option<Arc<Noise>>,
) {
    let mut bytes = vec![0; CHUNK];
    let losses = state.borrow().losses;
    loop {
        let Ok(length @ 1..) = from.read(&mut bytes).await else { return };
        let moves = state.wait_for(|state| state.weather != Weather::Stalled).await.is_ok();
        if let Some(noise) = &noise {
            if state.borrow().losses != losses {
                continue;
            }
            noise.fall_on(&mut bytes[..length]);
        }
        if !moves || to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

impl Noise {
    fn fall_on(&self, bytes: &mut [u8]) {
        let fewer = |left: u32| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_err() {
            return;
        }
        let reach = if self.anywhere.load(Ordering::Relaxed) { bytes.len() } else { bytes.len().min(3) };
        // never zero: the byte is another one afterwards
        bytes[rand::random_range(0..reach)] ^= rand::random_range(1..=u8::MAX);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);
    const QUIET: Duration = Duration::from_millis(100);

    /// A server that says again what it hears, and a relay before it.
    async fn echo() -> (Relay, JoinSet<()>) {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let target = server.local_addr().expect("bound").to_string();
        let mut served = JoinSet::new();
        served.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = server.accept().await {
                open.spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        (Relay::before(target).await.expect("a relay"), served)
    }

    async fn says(stream: &mut TcpStream, word: &[u8; 4]) -> Option<[u8; 4]> {
        stream.write_all(word).await.ok()?;
        hears(stream).await
    }

    async fn hears(stream: &mut TcpStream) -> Option<[u8; 4]> {
        let mut heard = [0; 4];
        timeout(SOON, stream.read_exact(&mut heard)).await.expect("in time").ok()?;
        Some(heard)
    }

    #[tokio::test]
    async fn it_passes_on_cuts_stalls_spoils_loses_and_heals() {
        let (relay, _served) = echo().await;
        let mut stream = TcpStream::connect(relay.local()).await.expect("open");
        assert_eq!(says(&mut stream, b"word").await, Some(*b"word"));
        relay.stall();
        stream.write_all(b"late").await.expect("taken");
        assert!(timeout(QUIET, stream.peek(&mut [0])).await.is_err(), "held up");
        relay.heal();
        assert_eq!(hears(&mut stream).await, Some(*b"late"));
        relay.spoil(1, Where::Head);
        let spoilt = says(&mut stream, b"word").await.expect("an answer");
        assert!(spoilt != *b"word" && spoilt[3] == b'd', "{spoilt:?}");
        assert_eq!(says(&mut stream, b"word").await, Some(*b"word"), "once");
        relay.lose_answers();
        stream.write_all(b"lost").await.expect("taken");
        assert!(timeout(QUIET, stream.peek(&mut [0])).await.is_err(), "no answer arrives");
        relay.cut();
        assert_eq!(hears(&mut stream).await, None);
        let mut stream = TcpStream::connect(relay.local()).await.expect("open");
        assert_eq!(says(&mut stream, b"word").await, Some(*b"word"));
        relay.away();
        assert_eq!(hears(&mut stream).await, None);
        let mut stream = TcpStream::connect(relay.local()).await.expect("taken");
        assert_eq!(says(&mut stream, b"word").await, None, "and ended");
    }
}
