//! One call at the far end: what came on its port and when, and what was said about it.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use benches::served::HERE;
use protocol::{Error, Result};
use tokio::net::UdpSocket;
use tokio::time::{Duration, Instant};

use crate::words;

const DATAGRAM: usize = 2048;
/// An RTP header without extensions.
const HEADER: usize = 12;
/// Samples, and bytes, of a frame of 20 ms.
const SAMPLES: u16 = 160;
/// μ-law for silence.
const SILENCE: u8 = 0xff;
/// So many packets show that the media of a call is up.
const STEADY: usize = 25;

/// A packet as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) seq: u16,
}

#[derive(Default)]
struct Line {
    /// Where the node wants our voice.
    to: Option<SocketAddr>,
    /// INVITEs, repeated ones too.
    offers: Vec<Instant>,
    acknowledged: Option<Instant>,
    heard: Vec<Heard>,
    ended: Option<Instant>,
}

pub(crate) struct Ear {
    pub(crate) address: SocketAddr,
    socket: UdpSocket,
    line: Mutex<Line>,
}

impl Ear {
    pub(crate) async fn open() -> Result<Ear> {
        let socket = UdpSocket::bind(SocketAddr::new(HERE, 0)).await.map_err(Error::internal)?;
        let address = socket.local_addr().map_err(Error::internal)?;
        Ok(Ear { address, socket, line: Mutex::default() })
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down every packet, until the far end is gone.
    pub(crate) async fn listen(&self) {
        let mut packet = [0; DATAGRAM];
        loop {
            // an error is that of an earlier packet of ours, which met nobody
            let Ok((length, from)) = self.socket.recv_from(&mut packet).await else { continue };
            if length >= HEADER {
                let seq = u16::from_be_bytes([packet[2], packet[3]]);
                self.line().heard.push(Heard { at: Instant::now(), from, seq });
            }
        }
    }

    /// The frame of that number, unless the call is not up.
    pub(crate) fn say(&self, frame: u32) {
        let to = match &*self.line() {
            Line { ended: Some(_), .. } | Line { acknowledged: None, .. } => None,
            line => line.to,
        };
        let Some(to) = to else { return };
        let mut packet = [SILENCE; HEADER + SAMPLES as usize];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&(frame as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&frame.wrapping_mul(u32::from(SAMPLES)).to_be_bytes());
        packet[8..12].copy_from_slice(&u32::from(self.address.port()).to_be_bytes());
        // one that the kernel does not take is lost, as on any network
        let _ = self.socket.try_send_to(&packet, to);
    }

    pub(crate) fn offered(&self, invite: &str) {
        let mut line = self.line();
        line.offers.push(Instant::now());
        line.to = words::media(invite).or(line.to);
    }

    pub(crate) fn acknowledged(&self) {
        self.line().acknowledged.get_or_insert_with(Instant::now);
    }

    pub(crate) fn ended(&self) {
        self.line().ended.get_or_insert_with(Instant::now);
    }

    pub(crate) fn is_up(&self) -> bool {
        let line = self.line();
        line.acknowledged.is_some() && line.ended.is_none() && line.heard.len() >= STEADY
    }

    pub(crate) fn is_over(&self) -> bool {
        self.line().ended.is_some()
    }

    /// The first INVITE after `killed`.
    pub(crate) fn moved(&self, killed: Instant) -> Option<Instant> {
        self.line().offers.iter().copied().find(|at| *at > killed)
    }

    /// The last packet of the node that was killed, and the first of another one, which speaks from another port.
    pub(crate) fn handed_over(&self, killed: Instant) -> (Option<Heard>, Option<Heard>) {
        let line = self.line();
        let last_source =
            line.heard.iter().rev().find(|packet| packet.at <= killed).map(|packet| packet.from);
        let Some(old) = last_source else { return (None, None) };
        let last = line.heard.iter().rev().find(|packet| packet.from == old).copied();
        let first = line.heard.iter().find(|packet| packet.at > killed && packet.from != old).copied();
        (last, first)
    }

    /// Packets of the second before `killed` that did not come in order within 100 ms of each other.
    pub(crate) fn unsteady(&self, killed: Instant) -> usize {
        let line = self.line();
        let since = killed - Duration::from_secs(1);
        let before: Vec<_> =
            line.heard.iter().filter(|packet| (since..=killed).contains(&packet.at)).collect();
        let late = Duration::from_millis(100);
        let odd =
            |pair: &&[&Heard]| pair[1].seq != pair[0].seq.wrapping_add(1) || pair[1].at - pair[0].at > late;
        before.windows(2).filter(odd).count()
    }
}
