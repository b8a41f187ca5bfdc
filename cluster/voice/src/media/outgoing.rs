//! The sequence numbers and timestamps of what a leg sends: one unbroken stream, whatever its sound comes from.
//!
//! Sequence numbers just count. Timestamps follow the clock of the [`Anchor`], so a pause is a jump in time
//! without a loss, and another process that knows only the anchor goes on where this one was. Relayed packets
//! keep the distances of their source, so that its losses stay visible to the peer's jitter buffer.

use super::Anchor;
use super::clock::SAMPLES;
use super::rtp::Header;

/// A source that jumps by more packets than this started anew (RFC 3550 A.1, MAX_MISORDER).
const MAX_PACKETS: i16 = 100;
/// The same for its timestamps: 4 s.
const MAX_SAMPLES: i32 = 32_000;

pub(super) struct Outgoing {
    anchor: Anchor,
    /// Slots of the anchor that had gone by at tick 0 of this thread; negative when the leg is younger.
    offset: i64,
    /// The next sequence number and the end of what was sent, once anything was.
    next: Option<(u16, u32)>,
    relay: Option<Relay>,
}

/// How a source's numbers become ours.
struct Relay {
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    add_seq: u16,
    add_timestamp: u32,
}

impl Outgoing {
    /// `slots` of the anchor have gone by at `tick`.
    pub(super) fn new(anchor: Anchor, slots: u64, tick: u64) -> Self {
        Outgoing {
            anchor,
            offset: slots.cast_signed().wrapping_sub(tick.cast_signed()),
            next: None,
            relay: None,
        }
    }

    /// A packet of our own with `samples` of sound, at `tick`.
    pub(super) fn own(&mut self, tick: u64, samples: usize) -> Header {
        self.relay = None;
        let (seq, timestamp) = self.here(tick);
        self.next = Some((seq.wrapping_add(1), timestamp.wrapping_add(samples as u32)));
        self.header(seq, timestamp)
    }

    /// The next packet of an event that began at `timestamp` and has lasted for `samples` (RFC 4733 2.5.1.2).
    pub(super) fn event(&mut self, tick: u64, timestamp: u32, samples: u16) -> Header {
        self.relay = None;
        let (seq, end) = self.here(tick);
        let event_end = timestamp.wrapping_add(u32::from(samples));
        self.next = Some((seq.wrapping_add(1), later(end, event_end)));
        self.header(seq, timestamp)
    }

    /// The timestamp at which something that starts at `tick` starts.
    pub(super) fn timestamp(&self, tick: u64) -> u32 {
        self.here(tick).1
    }

    /// A packet of another leg's peer, on its way to ours. The marker is set where the source changed.
    pub(super) fn relayed(&mut self, tick: u64, from: Header, samples: usize) -> Header {
        let follows = self.relay.as_ref().is_some_and(|relay| relay.follows(&from));
        if !follows {
            let (seq, timestamp) = self.here(tick);
            self.relay = Some(Relay {
                ssrc: from.ssrc,
                seq: from.seq,
                timestamp: from.timestamp,
                add_seq: seq.wrapping_sub(from.seq),
                add_timestamp: timestamp.wrapping_sub(from.timestamp),
            });
        }
        let (seq, timestamp) =
            self.relay.as_mut().map_or((from.seq, from.timestamp), |relay| relay.shift(&from));
        let end = timestamp.wrapping_add(samples as u32);
        let (next_seq, next_end) = self.next.unwrap_or((seq, end));
        let ahead = seq.wrapping_sub(next_seq).cast_signed() >= 0;
        let next_seq = if ahead { seq.wrapping_add(1) } else { next_seq };
        self.next = Some((next_seq, later(next_end, end)));
        Header { marker: from.marker || !follows, ..self.header(seq, timestamp) }
    }

    /// Where the stream is at `tick`: never before what was already sent, never behind the clock.
    fn here(&self, tick: u64) -> (u16, u32) {
        let slot = self.offset.wrapping_add(tick.cast_signed()).max(0);
        let clock = self.anchor.timestamp.wrapping_add((slot as u32).wrapping_mul(SAMPLES as u32));
        match self.next {
            Some((seq, end)) => (seq, later(end, clock)),
            None => (self.anchor.seq.wrapping_add(slot as u16), clock),
        }
    }

    fn header(&self, seq: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 0, seq, timestamp, ssrc: self.anchor.ssrc }
    }
}

impl Relay {
    fn follows(&self, from: &Header) -> bool {
        let packets = from.seq.wrapping_sub(self.seq).cast_signed();
        let samples = from.timestamp.wrapping_sub(self.timestamp).cast_signed();
        self.ssrc == from.ssrc
            && (-MAX_PACKETS..=MAX_PACKETS).contains(&packets)
            && (-MAX_SAMPLES..=MAX_SAMPLES).contains(&samples)
    }

    fn shift(&mut self, from: &Header) -> (u16, u32) {
        if from.seq.wrapping_sub(self.seq).cast_signed() > 0 {
            (self.seq, self.timestamp) = (from.seq, from.timestamp);
        }
        (from.seq.wrapping_add(self.add_seq), from.timestamp.wrapping_add(self.add_timestamp))
    }
}

/// The later of two timestamps that are less than half a round apart.
fn later(a: u32, b: u32) -> u32 {
    if a.wrapping_sub(b).cast_signed() >= 0 { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing() -> Outgoing {
        let anchor = Anchor { port: 0, ssrc: 9, seq: 65_534, timestamp: u32::MAX - 159, at_us: 0 };
        Outgoing::new(anchor, 0, 0)
    }

    fn source(seq: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 0, seq, timestamp, ssrc: 1 }
    }

    fn at(header: Header) -> (u16, u32) {
        (header.seq, header.timestamp)
    }

    #[test]
    fn numbers_wrap_and_a_pause_moves_only_the_timestamp() {
        let mut outgoing = outgoing();
        assert_eq!(at(outgoing.own(0, 160)), (65_534, u32::MAX - 159));
        assert_eq!(at(outgoing.own(1, 160)), (65_535, 0));
        assert_eq!(at(outgoing.own(11, 160)), (0, 1600));
    }

    #[test]
    fn a_resumed_stream_starts_where_the_clock_says() {
        let anchor = Anchor { port: 0, ssrc: 9, seq: 65_534, timestamp: 100, at_us: 0 };
        let mut outgoing = Outgoing::new(anchor, 50, 7);
        assert_eq!(at(outgoing.own(10, 160)), (51, 100 + 53 * 160));
    }

    #[test]
    fn a_relay_goes_on_without_a_break_and_keeps_losses() {
        let mut outgoing = outgoing();
        outgoing.own(0, 160);
        let first = outgoing.relayed(0, source(500, 70_000), 160);
        assert!(first.marker);
        assert_eq!(at(first), (65_535, 0));
        let second = outgoing.relayed(2, source(502, 70_320), 160);
        assert!(!second.marker);
        assert_eq!(at(second), (1, 320));
        assert_eq!(at(outgoing.relayed(2, source(501, 70_160), 160)), (0, 160));
        assert_eq!(at(outgoing.own(4, 160)), (2, 480));
    }

    #[test]
    fn a_source_that_starts_anew_is_joined_on() {
        let mut outgoing = outgoing();
        outgoing.relayed(0, source(500, 70_000), 160);
        let next = outgoing.relayed(1, source(9_000, 70_160), 160);
        assert!(next.marker);
        assert_eq!(at(next), (65_535, 0));
        let other = Header { ssrc: 2, ..source(9_001, 70_320) };
        assert_eq!(at(outgoing.relayed(2, other, 160)), (0, 160));
    }

    #[test]
    fn an_event_keeps_its_timestamp() {
        let mut outgoing = outgoing();
        outgoing.own(0, 160);
        let start = outgoing.timestamp(1);
        assert_eq!(at(outgoing.event(1, start, 160)), (65_535, 0));
        assert_eq!(at(outgoing.event(2, start, 320)), (0, 0));
        assert_eq!(at(outgoing.own(3, 160)), (1, 320));
    }
}
