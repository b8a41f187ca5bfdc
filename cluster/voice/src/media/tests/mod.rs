//! The media thread as a peer sees it: real sockets on the loopback, real time, bounded waits.

mod bridge;
mod digits;
mod legs;
mod sound;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::clock::SAMPLES;
use super::rtp::{Header, Packet};
use super::{Anchor, Codec, Config, EventKind, Media, MediaCommand, MediaEvent, Remote, tone};
use crate::trust::Trust;

/// Far longer than anything here takes, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(10);
const DIGITS_TYPE: u8 = 101;

struct Rig {
    media: Media,
    events: mpsc::Receiver<MediaEvent>,
}

impl Rig {
    fn start() -> Rig {
        let first = rand::random_range(10_000..15_900) * 2;
        Rig::with(first..=first + 200, Duration::from_secs(3600))
    }

    fn with(ports: RangeInclusive<u16>, timeout: Duration) -> Rig {
        let config = Config { bind: [127, 0, 0, 1].into(), ports, timeout, trust: Trust::default() };
        let (media, events) = Media::start(config).expect("a thread");
        Rig { media, events }
    }

    /// A leg and its peer, pointed at each other.
    async fn peer(&self, codec: Codec) -> Peer {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let leg = Uuid::new_v4();
        let anchor = self.media.open(leg, None).await.expect("a free port");
        let peer = Peer { leg, anchor, socket, codec, seq: 100, timestamp: 5000 };
        self.media.connect(leg, peer.remote()).expect("an open leg");
        peer
    }

    fn tell(&self, leg: Uuid, command: MediaCommand) {
        self.media.command(leg, command).expect("an accepted command");
    }

    async fn event(&mut self) -> (Uuid, EventKind) {
        let event = timeout(PATIENCE, self.events.recv()).await.expect("an event in time");
        let event = event.expect("a running thread");
        (event.leg, event.kind)
    }

    /// The level of a frequency as the leg hears it. Every order before it was obeyed when it answers.
    async fn level(&self, leg: Uuid, frequency: u16) -> f32 {
        let (reply, level) = oneshot::channel();
        self.tell(leg, MediaCommand::Measure { frequency, reply });
        timeout(PATIENCE, level).await.expect("an answer in time").expect("an open leg")
    }

    async fn join(&mut self, first: &Peer, second: &Peer) -> Uuid {
        let bridge = Uuid::new_v4();
        for peer in [first, second] {
            self.tell(peer.leg, MediaCommand::Join { bridge });
            assert_eq!(self.event().await, (peer.leg, EventKind::Joined { bridge }));
        }
        bridge
    }
}

struct Peer {
    leg: Uuid,
    anchor: Anchor,
    socket: UdpSocket,
    codec: Codec,
    seq: u16,
    timestamp: u32,
}

impl Peer {
    fn remote(&self) -> Remote {
        Remote {
            address: self.socket.local_addr().expect("bound"),
            codec: self.codec,
            payload_type: self.codec.payload_type(),
            digits_type: Some(DIGITS_TYPE),
            send: true,
            receive: true,
        }
    }

    fn port(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.anchor.port).into()
    }

    async fn send(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let header = Header { marker: false, payload_type, seq: self.seq, timestamp, ssrc: 77 };
        self.seq = self.seq.wrapping_add(1);
        let packet = Packet { header, payload }.build();
        self.socket.send_to(&packet, self.port()).await.expect("loopback takes it");
    }

    /// Sends the next 20 ms of a tone.
    async fn sing(&mut self, frequency: u16) {
        let mut samples = [0; SAMPLES];
        tone::sound(&[frequency], self.timestamp as usize, &mut samples);
        let payload = self.codec.encode(&samples);
        self.send(self.codec.payload_type(), self.timestamp, &payload).await;
        self.timestamp += SAMPLES as u32;
    }

    /// Presses a key for 100 ms: four packets, the last three of them ends.
    async fn press(&mut self, event: u8) {
        let timestamp = self.timestamp;
        for flags in [0x0A, 0x8A, 0x8A, 0x8A] {
            self.send(DIGITS_TYPE, timestamp, &[event, flags, 0x03, 0x20]).await;
        }
        self.timestamp += 800;
    }

    async fn hear(&self) -> (Header, Vec<u8>) {
        let mut buffer = [0; 2048];
        let (length, _) = timeout(PATIENCE, self.socket.recv_from(&mut buffer))
            .await
            .expect("a packet in time")
            .expect("a working socket");
        let packet = Packet::parse(&buffer[..length]).expect("valid RTP");
        (packet.header, packet.payload.to_vec())
    }

    /// What the next `frames` packets of audio sound like.
    async fn listen(&self, frames: usize) -> Vec<i16> {
        let mut samples = Vec::new();
        for _ in 0..frames {
            let (header, payload) = self.hear().await;
            assert_eq!(header.payload_type, self.codec.payload_type());
            samples.extend(payload.iter().map(|byte| self.codec.decode(*byte)));
        }
        samples
    }
}

/// Whether samples are silence but for the smallest step of their law.
fn is_silent(samples: &[i16]) -> bool {
    samples.iter().all(|sample| sample.abs() <= 8)
}
