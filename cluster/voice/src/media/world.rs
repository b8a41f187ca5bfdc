//! Every stream of the media thread, and the bridges between them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::UdpSocket;
use uuid::Uuid;

use super::command::Action;
use super::event::{EventKind, Outbox};
use super::heard::{Counts, Epoch};
use super::stream::Stream;
use crate::trust::Trust;

/// Owned by one thread; its tasks borrow it for the length of a packet or a tick.
pub(super) struct World {
    streams: HashMap<Uuid, Stream>,
    /// Which legs are in a bridge: one or two.
    bridges: HashMap<Uuid, Vec<Uuid>>,
    outbox: Outbox,
    /// The tick that ran last.
    pub(super) tick: u64,
    /// No RTP for this many ticks is told.
    timeout: u64,
    pub(super) trust: Trust,
    pub(super) counts: Rc<Counts>,
    epoch: Epoch,
}

impl World {
    pub(super) fn new(outbox: Outbox, timeout: u64, trust: Trust) -> Self {
        World {
            streams: HashMap::new(),
            bridges: HashMap::new(),
            outbox,
            tick: 0,
            timeout,
            trust,
            counts: Rc::default(),
            epoch: Epoch::default(),
        }
    }

    pub(super) fn add(&mut self, leg: Uuid, stream: Stream) {
        self.leave(leg);
        self.streams.insert(leg, stream);
    }

    /// Ends a stream, unless the leg has another one by now. Nothing is told of it.
    pub(super) fn remove(&mut self, leg: Uuid, socket: &Rc<UdpSocket>) {
        if self.streams.get(&leg).is_some_and(|stream| stream.owns(socket)) {
            self.leave(leg);
            self.streams.remove(&leg);
        }
    }

    /// Whether orders have to wait until somebody takes events.
    pub(super) fn is_full(&self) -> bool {
        self.outbox.is_full()
    }

    /// Whether there is nothing to do at the next tick.
    pub(super) fn rests(&self) -> bool {
        self.streams.is_empty() && self.outbox.is_empty()
    }

    pub(super) fn act(&mut self, leg: Uuid, action: Action) {
        match action {
            Action::Join(bridge) => self.join(leg, bridge),
            Action::Leave => self.leave_and_tell(leg),
            Action::Connect(_)
            | Action::Play(_)
            | Action::Stop
            | Action::Digits(..)
            | Action::Mute(..)
            | Action::Silence(_)
            | Action::Music(_)
            | Action::Measure(..) => {
                if let Some(stream) = self.streams.get_mut(&leg) {
                    stream.act(action, self.tick, &mut self.outbox);
                }
            }
        }
    }

    /// A datagram came to the port of `leg`.
    pub(super) fn packet(&mut self, leg: Uuid, bytes: &[u8], from: SocketAddr) {
        let Some(stream) = self.streams.get_mut(&leg) else { return };
        let at = (self.tick, self.epoch.elapsed());
        let Some(inbound) = stream.receive(bytes, from, at, &mut self.outbox) else { return };
        let partner = stream.partner.and_then(|partner| self.streams.get_mut(&partner));
        if let Some(partner) = partner {
            partner.relay(&inbound, self.tick);
        }
    }

    pub(super) fn tick(&mut self, tick: u64) {
        self.tick = tick;
        self.outbox.flush();
        for stream in self.streams.values_mut() {
            stream.tick(tick, self.timeout, &mut self.outbox);
        }
    }

    /// The handle has made sure that there is room.
    fn join(&mut self, leg: Uuid, bridge: Uuid) {
        if !self.streams.contains_key(&leg) {
            return;
        }
        if self.bridge_of(leg) != Some(bridge) {
            self.leave_and_tell(leg);
            let members = self.bridges.entry(bridge).or_default();
            members.push(leg);
            if let &mut [first, second] = &mut members[..] {
                self.pair(first, Some(second));
                self.pair(second, Some(first));
            }
        }
        self.outbox.push(leg, EventKind::Joined { bridge });
    }

    fn leave_and_tell(&mut self, leg: Uuid) {
        if let Some(bridge) = self.leave(leg) {
            self.outbox.push(leg, EventKind::Left { bridge });
        }
    }

    fn leave(&mut self, leg: Uuid) -> Option<Uuid> {
        let bridge = self.bridge_of(leg)?;
        let mut left = self.bridges.remove(&bridge)?;
        for member in &left {
            self.pair(*member, None);
        }
        left.retain(|member| *member != leg);
        if !left.is_empty() {
            self.bridges.insert(bridge, left);
        }
        Some(bridge)
    }

    fn pair(&mut self, leg: Uuid, partner: Option<Uuid>) {
        if let Some(stream) = self.streams.get_mut(&leg) {
            stream.partner = partner;
        }
    }

    fn bridge_of(&self, leg: Uuid) -> Option<Uuid> {
        let partner = self.bridges.iter().find(|(_, members)| members.contains(&leg));
        partner.map(|(bridge, _)| *bridge)
    }
}
