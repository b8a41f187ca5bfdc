//! One leg's stream: what its peer says, what its peer hears.
//!
//! Every tick sends a frame, whatever the leg has to say, so that neither a NAT nor a peer's own time-out
//! closes it; only audio of a bridge leaves between ticks, when it comes. The order of precedence is
//! [`Stream::voice`].

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use protocol::ports::voice::Direction;
use tokio::net::UdpSocket;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::clock::{RATE, SAMPLES, ticks};
use super::codec::Codec;
use super::command::{Action, Remote};
use super::dialing::{Digits, Event, Step};
use super::event::{EventKind, Outbox};
use super::heard::Heard;
use super::keypad::{Keypad, Press};
use super::latch::Latch;
use super::outgoing::Outgoing;
use super::player::Player;
use super::rtp::{HEADER, Header, Packet};
use super::{music, tone};
use crate::trust::Trust;

/// A bridge that gave nothing for this long is filled with silence: longer than the packet time of any peer.
const FILL_AFTER: u64 = ticks(Duration::from_millis(80));
/// Bytes of the peer's last 500 ms, for measurements.
const REMEMBERED: usize = RATE / 2;

pub(super) struct Stream {
    id: Uuid,
    socket: Rc<UdpSocket>,
    /// IPv4 peers have mapped addresses there.
    is_v6: bool,
    trust: Trust,
    outgoing: Outgoing,
    peer: Option<Peer>,
    muted: Muted,
    silent: bool,
    music: bool,
    /// The other leg of the bridge.
    pub(super) partner: Option<Uuid>,
    player: Option<Player>,
    digits: VecDeque<(Digits, OwnedSemaphorePermit)>,
    /// Timestamp of the event that is being sent.
    event: u32,
    keypad: Keypad,
    remembered: VecDeque<u8>,
    /// The tick that last relayed a packet to the peer.
    relayed: Option<u64>,
    heard: Heard,
}

struct Peer {
    remote: Remote,
    latch: Latch,
    heard: u64,
    lost: bool,
}

#[derive(Default)]
struct Muted {
    incoming: bool,
    outgoing: bool,
}

/// Where the next frame comes from.
#[derive(PartialEq, Eq)]
enum Voice {
    Digits,
    Play,
    Music,
    Bridge,
    Silence,
}

/// A packet of the peer that a bridge may carry on.
pub(super) struct Inbound<'a> {
    packet: Packet<'a>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Audio(Codec),
    Digit,
}

impl Stream {
    pub(super) fn new(
        id: Uuid,
        (socket, trust): (Rc<UdpSocket>, Trust),
        (outgoing, heard): (Outgoing, Heard),
    ) -> Self {
        Stream {
            id,
            is_v6: socket.local_addr().is_ok_and(|local| local.is_ipv6()),
            socket,
            trust,
            outgoing,
            peer: None,
            muted: Muted::default(),
            silent: false,
            music: false,
            partner: None,
            player: None,
            digits: VecDeque::new(),
            event: 0,
            keypad: Keypad::default(),
            remembered: VecDeque::with_capacity(REMEMBERED),
            relayed: None,
            heard,
        }
    }

    pub(super) fn owns(&self, socket: &Rc<UdpSocket>) -> bool {
        Rc::ptr_eq(&self.socket, socket)
    }

    /// Does what needs no other leg.
    pub(super) fn act(&mut self, action: Action, tick: u64, outbox: &mut Outbox) {
        match action {
            Action::Connect(remote) => self.connect(remote, tick),
            Action::Play(player) => {
                self.stop(outbox);
                self.player = Some(player);
            }
            Action::Stop => self.stop(outbox),
            Action::Digits(digits, room) => self.digits.push_back((digits, room)),
            Action::Mute(direction, on) => self.muted.set(direction, on),
            Action::Silence(on) => self.silent = on,
            Action::Music(on) => self.music = on,
            // Nobody waits any more when the answer cannot be sent.
            Action::Measure(frequency, reply) => _ = reply.send(self.measure(frequency)),
            Action::Join(_) | Action::Leave => {}
        }
    }

    /// Hears a datagram. What it returns goes to the partner.
    pub(super) fn receive<'a>(
        &mut self,
        bytes: &'a [u8],
        from: SocketAddr,
        (tick, since): (u64, Duration),
        outbox: &mut Outbox,
    ) -> Option<Inbound<'a>> {
        let packet = Packet::parse(bytes)?;
        let peer = self.peer.as_mut()?;
        let kind = kind(&peer.remote, packet.header.payload_type)?;
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        if !peer.latch.accepts(from, tick) {
            return None;
        }
        (peer.heard, peer.lost) = (tick, false);
        self.heard.note(&packet.header, since);
        let receives = peer.remote.receive;
        match kind {
            Kind::Digit if outbox.is_full() => {}
            Kind::Digit => {
                let Header { ssrc, timestamp, .. } = packet.header;
                let press = self.keypad.hear(ssrc, timestamp, packet.payload, tick);
                self.tell(press, outbox);
            }
            Kind::Audio(_) if self.muted.incoming => return None,
            Kind::Audio(_) => self.remember(packet.payload),
        }
        receives.then_some(Inbound { packet, kind })
    }

    /// Passes a packet of the partner's peer on to ours, unless something else is heard at the moment.
    pub(super) fn relay(&mut self, inbound: &Inbound<'_>, tick: u64) {
        let Some(remote) = self.peer.as_ref().map(|peer| peer.remote) else { return };
        if self.voice() != Voice::Bridge || !remote.send {
            return;
        }
        let (payload_type, samples) = match inbound.kind {
            Kind::Audio(_) => (Some(remote.payload_type), inbound.packet.payload.len()),
            Kind::Digit => (remote.digits_type, 0),
        };
        let Some(payload_type) = payload_type else { return };
        let header = self.outgoing.relayed(tick, inbound.packet.header, samples);
        let header = Header { payload_type, ..header };
        let mut bytes = Packet { header, ..inbound.packet }.build();
        if let Kind::Audio(codec) = inbound.kind {
            codec.transcode(remote.codec, &mut bytes[HEADER..]);
        }
        self.relayed = Some(tick);
        self.send(&bytes);
    }

    /// Sends this tick's frame and notices what did not come. `timeout` is in ticks.
    pub(super) fn tick(&mut self, tick: u64, timeout: u64, outbox: &mut Outbox) {
        self.watch(tick, timeout, outbox);
        self.heard.tick(tick);
        let Some(remote) = self.peer.as_ref().map(|peer| peer.remote) else { return };
        if self.dial(tick, &remote, outbox) || self.play(tick, &remote, outbox) {
            return;
        }
        match self.voice() {
            Voice::Music => self.say(tick, &remote, music::frame(remote.codec, tick)),
            Voice::Bridge if self.relayed.is_some_and(|at| tick.saturating_sub(at) < FILL_AFTER) => {}
            Voice::Bridge | Voice::Silence | Voice::Digits | Voice::Play => {
                self.say(tick, &remote, &[remote.codec.silence(); SAMPLES]);
            }
        }
    }

    fn voice(&self) -> Voice {
        match self {
            _ if !self.digits.is_empty() => Voice::Digits,
            _ if self.player.is_some() => Voice::Play,
            _ if self.music => Voice::Music,
            _ if self.partner.is_some() && !self.silent && !self.muted.outgoing => Voice::Bridge,
            _ => Voice::Silence,
        }
    }

    fn connect(&mut self, remote: Remote, tick: u64) {
        let mut latch = match self.peer.take() {
            Some(peer) => peer.latch,
            None => Latch::new(remote.address),
        };
        latch.declare(remote.address);
        self.remembered.clear();
        self.peer = Some(Peer { remote, latch, heard: tick, lost: false });
    }

    fn stop(&mut self, outbox: &mut Outbox) {
        if let Some(player) = self.player.take() {
            outbox.push(self.id, EventKind::PlayFinished { id: player.id });
        }
    }

    /// Sends of the digits that are on their way; false when there are none.
    fn dial(&mut self, tick: u64, remote: &Remote, outbox: &mut Outbox) -> bool {
        while let Some((digits, _)) = self.digits.front_mut() {
            match digits.next() {
                Some(Step::Event(event)) => self.press(tick, remote, &event),
                Some(Step::Pause) => self.say(tick, remote, &[remote.codec.silence(); SAMPLES]),
                None => {
                    let id = digits.id;
                    // First makes room, then tells of it.
                    self.digits.pop_front();
                    outbox.push(self.id, EventKind::DigitsSent { id });
                    continue;
                }
            }
            return true;
        }
        false
    }

    fn press(&mut self, tick: u64, remote: &Remote, event: &Event) {
        match remote.digits_type {
            _ if !remote.send => {}
            Some(payload_type) => {
                if event.first {
                    self.event = self.outgoing.timestamp(tick);
                }
                let header = self.outgoing.event(tick, self.event, event.samples);
                let header = Header { payload_type, marker: event.first, ..header };
                self.send(&Packet { header, payload: &event.payload() }.build());
            }
            None if event.repeated => self.say(tick, remote, &[remote.codec.silence(); SAMPLES]),
            None => {
                let mut samples = [0; SAMPLES];
                tone::sound(&event.frequencies(), event.elapsed(), &mut samples);
                self.say(tick, remote, &remote.codec.encode(&samples));
            }
        }
    }

    /// Sends of what plays; false when nothing does, or no longer.
    fn play(&mut self, tick: u64, remote: &Remote, outbox: &mut Outbox) -> bool {
        let Some(player) = &mut self.player else { return false };
        match player.frame() {
            Some(_) if self.muted.outgoing => self.say(tick, remote, &[remote.codec.silence(); SAMPLES]),
            Some(samples) => self.say(tick, remote, &remote.codec.encode(&samples)),
            None => {
                self.stop(outbox);
                return false;
            }
        }
        true
    }

    fn say(&mut self, tick: u64, remote: &Remote, payload: &[u8]) {
        if remote.send {
            let header =
                Header { payload_type: remote.payload_type, ..self.outgoing.own(tick, payload.len()) };
            self.send(&Packet { header, payload }.build());
        }
    }

    /// A packet that the kernel does not take at once is lost, as on any network.
    fn send(&self, bytes: &[u8]) {
        let Some(peer) = self.peer.as_ref().filter(|_| self.trust.holds()) else { return };
        let target = peer.latch.target();
        let target = match target.ip() {
            IpAddr::V4(ip) if self.is_v6 => SocketAddr::new(ip.to_ipv6_mapped().into(), target.port()),
            IpAddr::V4(_) | IpAddr::V6(_) => target,
        };
        self.heard.sent(self.socket.try_send_to(bytes, target).is_ok());
    }

    fn watch(&mut self, tick: u64, timeout: u64, outbox: &mut Outbox) {
        let press = self.keypad.tick(tick);
        self.tell(press, outbox);
        if let Some(peer) = &mut self.peer
            && peer.remote.send
            && peer.remote.receive
            && !peer.lost
            && tick.saturating_sub(peer.heard) > timeout
        {
            peer.lost = true;
            self.heard.timed_out();
            outbox.push(self.id, EventKind::Timeout);
        }
    }

    fn tell(&self, press: Option<Press>, outbox: &mut Outbox) {
        if let Some(Press { digit, duration_ms }) = press {
            outbox.push(self.id, EventKind::Digit { digit, duration_ms });
        }
    }

    fn remember(&mut self, payload: &[u8]) {
        let excess = (self.remembered.len() + payload.len()).saturating_sub(REMEMBERED);
        self.remembered.drain(..excess.min(self.remembered.len()));
        self.remembered.extend(payload);
    }

    fn measure(&self, frequency: u16) -> f32 {
        let codec = self.peer.as_ref().map_or(Codec::Pcmu, |peer| peer.remote.codec);
        let samples: Vec<i16> = self.remembered.iter().map(|byte| codec.decode(*byte)).collect();
        tone::level(&samples, frequency)
    }
}

impl Muted {
    fn set(&mut self, direction: Direction, on: bool) {
        if matches!(direction, Direction::In | Direction::Both) {
            self.incoming = on;
        }
        if matches!(direction, Direction::Out | Direction::Both) {
            self.outgoing = on;
        }
    }
}

fn kind(remote: &Remote, payload_type: u8) -> Option<Kind> {
    match payload_type {
        audio if audio == remote.payload_type => Some(Kind::Audio(remote.codec)),
        digit if Some(digit) == remote.digits_type => Some(Kind::Digit),
        _ => None,
    }
}
