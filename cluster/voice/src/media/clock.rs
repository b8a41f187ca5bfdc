//! The 20 ms clock of the media thread.
//!
//! Ticks are counted from the start of the thread on an absolute schedule: a late tick is followed by the
//! next one earlier, so the mean rate is exact and nothing drifts.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Samples per second of every codec here, and of RTP timestamps.
pub(crate) const RATE: usize = 8000;
/// Packet time: what every phone offers and accepts.
pub(crate) const FRAME: Duration = Duration::from_millis(20);
/// Samples, and bytes of G.711, in one frame.
pub(crate) const SAMPLES: usize = 160;
/// Ticks made up for after a stall (100 ms). A longer stall is heard as a gap rather than as a burst that a
/// jitter buffer would drop anyway.
const CATCH_UP: u64 = 5;

/// Whole ticks in `time`.
pub(super) const fn ticks(time: Duration) -> u64 {
    (time.as_millis() / FRAME.as_millis()) as u64
}

pub(super) struct Clock {
    start: Instant,
    next: u64,
}

impl Clock {
    pub(super) fn new(start: Instant) -> Self {
        Clock { start, next: 0 }
    }

    /// The next tick.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// When the next tick is due.
    pub(super) fn due(&self) -> Instant {
        self.start + Duration::from_nanos(self.next.saturating_mul(FRAME.as_nanos() as u64))
    }

    /// The ticks that are due by `now` and were not given before; after a stall only the last few.
    pub(super) fn take(&mut self, now: Instant) -> Range<u64> {
        let end = self.end(now);
        let begin = self.next.max(end.saturating_sub(CATCH_UP));
        self.next = self.next.max(end);
        begin..end
    }

    /// Leaves out those that are due by `now`: nobody needed them. The last one of them.
    pub(super) fn rested(&mut self, now: Instant) -> u64 {
        self.next = self.next.max(self.end(now));
        self.next - 1
    }

    /// The first tick that is not due by `now`: never the first of all.
    fn end(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.start).as_nanos() / FRAME.as_nanos()) as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_rest_the_schedule_goes_on_and_nothing_is_made_up_for() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        assert_eq!(clock.rested(start + FRAME * 1000 + FRAME / 2), 1000);
        assert_eq!(clock.due(), start + FRAME * 1001);
        assert_eq!(clock.take(start + FRAME * 1001), 1001..1002);
        assert_eq!(clock.rested(start + FRAME * 1001), 1001);
    }

    #[test]
    fn late_ticks_are_made_up_for_and_the_schedule_stays() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        assert_eq!(clock.take(start), 0..1);
        assert_eq!(clock.due(), start + FRAME);
        assert_eq!(clock.take(start + Duration::from_millis(65)), 1..4);
        assert_eq!(clock.due(), start + FRAME * 4);
        assert!(clock.take(start + Duration::from_millis(79)).is_empty());
    }

    #[test]
    fn after_a_long_stall_only_the_last_ticks_run() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        assert_eq!(clock.take(start + FRAME * 1000), 996..1001);
        assert_eq!(clock.due(), start + FRAME * 1001);
    }
}
