//! What one leg's stream counts: packets, losses, jitter. Per packet there is arithmetic and an atomic addition,
//! and nothing else; handles are looked up when the thread starts.

use std::rc::Rc;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::clock::{RATE, ticks};
use super::rtp::Header;

/// Losses are counted this often (RFC 3550 counts them per report, too): a late packet is none.
const ACCOUNT: u64 = ticks(Duration::from_secs(1));
/// Jitter is shown this often: it changes slowly.
const SHOW: u64 = ticks(Duration::from_secs(5));
/// A source that jumps by more packets than this started anew (RFC 3550 A.1, MAX_DROPOUT).
const MAX_DROPOUT: i16 = 3000;

/// The figures of the media thread.
pub(super) struct Counts {
    received: Counter,
    sent: Counter,
    unsent: Counter,
    lost: Counter,
    timeouts: Counter,
    jitter: Histogram,
    sessions: Gauge,
    late: Counter,
    dropped: Counter,
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            received: counter!("rtp_packets_received_total"),
            sent: counter!("rtp_packets_sent_total"),
            unsent: counter!("rtp_packets_unsent_total"),
            lost: counter!("rtp_packets_lost_total"),
            timeouts: counter!("rtp_timeouts_total"),
            jitter: histogram!("rtp_jitter_seconds"),
            sessions: gauge!("rtp_sessions"),
            late: counter!("media_ticks_late_total"),
            dropped: counter!("media_ticks_dropped_total"),
        }
    }
}

impl Counts {
    /// So many ticks ran now, of which one was expected, and so many before them never will.
    pub(super) fn ticked(&self, ran: u64, dropped: u64) {
        self.late.increment(ran.saturating_sub(1));
        self.dropped.increment(dropped);
    }
}

/// The packets of one leg.
pub(super) struct Heard {
    counts: Rc<Counts>,
    source: Option<Source>,
}

/// Who speaks to us, as its numbers say.
struct Source {
    ssrc: u32,
    /// The highest number so far, and that of the last account.
    highest: u32,
    accounted: u32,
    received: u32,
    /// RFC 3550 A.8, in samples.
    transit: i64,
    jitter: f64,
}

impl Heard {
    pub(super) fn new(counts: Rc<Counts>) -> Self {
        counts.sessions.increment(1);
        Heard { counts, source: None }
    }

    pub(super) fn sent(&self, is_sent: bool) {
        if is_sent { self.counts.sent.increment(1) } else { self.counts.unsent.increment(1) }
    }

    pub(super) fn timed_out(&self) {
        self.counts.timeouts.increment(1);
    }

    /// A packet of the peer came `since` some fixed moment.
    pub(super) fn note(&mut self, header: &Header, since: Duration) {
        self.counts.received.increment(1);
        let arrived = (since.as_micros() * RATE as u128 / 1_000_000) as i64;
        let transit = arrived - i64::from(header.timestamp);
        match self.source.as_mut().filter(|source| source.ssrc == header.ssrc) {
            Some(source) => source.note(header, transit),
            None => self.source = Some(Source::new(header, transit)),
        }
    }

    pub(super) fn tick(&mut self, tick: u64) {
        if !tick.is_multiple_of(ACCOUNT) {
            return;
        }
        let Some(source) = &mut self.source else { return };
        if tick.is_multiple_of(SHOW) && source.received > 0 {
            self.counts.jitter.record(source.jitter / RATE as f64);
        }
        self.counts.lost.increment(source.account());
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.counts.sessions.decrement(1);
        if let Some(source) = &mut self.source {
            self.counts.jitter.record(source.jitter / RATE as f64);
            self.counts.lost.increment(source.account());
        }
    }
}

impl Source {
    fn new(header: &Header, transit: i64) -> Self {
        let seq = u32::from(header.seq);
        let accounted = seq.wrapping_sub(1);
        Source { ssrc: header.ssrc, highest: seq, accounted, received: 1, transit, jitter: 0.0 }
    }

    fn note(&mut self, header: &Header, transit: i64) {
        let step = header.seq.wrapping_sub(self.highest as u16).cast_signed();
        if !(-MAX_DROPOUT..=MAX_DROPOUT).contains(&step) {
            *self = Source::new(header, transit);
            return;
        }
        self.highest = self.highest.wrapping_add(step.max(0).cast_unsigned().into());
        self.received += 1;
        let change = (transit - self.transit).abs();
        // timestamps wrap, and sources begin anew: neither is jitter
        if change < RATE as i64 {
            self.jitter += (change as f64 - self.jitter) / 16.0;
        }
        self.transit = transit;
    }

    /// What is missing since the last account.
    fn account(&mut self) -> u64 {
        let expected = self.highest.wrapping_sub(self.accounted);
        let lost = expected.saturating_sub(self.received);
        (self.accounted, self.received) = (self.highest, 0);
        u64::from(lost)
    }
}

/// The fixed moment from which arrivals are counted.
pub(super) struct Epoch(Instant);

impl Default for Epoch {
    fn default() -> Self {
        Epoch(Instant::now())
    }
}

impl Epoch {
    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(numbers: &[u16]) -> u64 {
        let header =
            |seq| Header { marker: false, payload_type: 0, seq, timestamp: u32::from(seq) * 160, ssrc: 7 };
        let mut source = Source::new(&header(numbers[0]), 0);
        numbers[1..].iter().for_each(|seq| source.note(&header(*seq), 0));
        source.account()
    }

    #[test]
    fn what_never_came_is_lost_and_what_came_late_is_not() {
        assert_eq!(lost(&[1, 2, 3, 4]), 0);
        assert_eq!(lost(&[1, 2, 5, 6]), 2);
        assert_eq!(lost(&[1, 3, 2, 4]), 0, "overtaken");
        assert_eq!(lost(&[65534, 65535, 1, 2]), 1, "over the end of the numbers");
        assert_eq!(lost(&[1, 2, 40_000, 40_001]), 0, "a source that began anew");
        assert_eq!(lost(&[1, 2, 2, 4]), 0, "RFC 3550 counts a repeated packet for a lost one");
    }

    #[test]
    fn jitter_is_how_uneven_packets_come() {
        let header = |seq: u16| Header {
            marker: false,
            payload_type: 0,
            seq,
            timestamp: 160 * u32::from(seq),
            ssrc: 7,
        };
        let mut source = Source::new(&header(0), 0);
        (1..100).for_each(|seq| source.note(&header(seq), 0));
        assert!(source.jitter < f64::EPSILON);
        (100..400).for_each(|seq| source.note(&header(seq), if seq % 2 == 0 { 80 } else { 0 }));
        assert!((79.0..=80.0).contains(&source.jitter), "{}", source.jitter);
    }
}
