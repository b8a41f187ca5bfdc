//! Digits that a peer sends as telephone-events (RFC 4733).
//!
//! One key press is many packets with one timestamp, and its end comes three times: a press is told once,
//! at its first end, or when a gap or the next press shows that every end was lost.

use std::time::Duration;

use super::clock::ticks;

/// The sixteen keys by event code (RFC 4733 3.2).
pub(super) const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// No packet of an unfinished press for this long: it is over. Peers repeat it every 20 to 50 ms.
const LOST_AFTER: u64 = ticks(Duration::from_millis(200));
/// Samples per millisecond.
const PER_MS: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Press {
    pub(super) digit: char,
    pub(super) duration_ms: u32,
}

/// Tells presses from packets.
#[derive(Default)]
pub(super) struct Keypad {
    ssrc: u32,
    /// The last press that was told, by timestamp: its repeated ends mean nothing.
    told: Option<u32>,
    open: Option<Open>,
}

struct Open {
    event: u8,
    timestamp: u32,
    /// Samples of this segment, and of those before it (RFC 4733 2.5.1.3).
    duration: u32,
    before: u32,
    heard: u64,
}

impl Keypad {
    /// Takes the payload of a telephone-event packet; gives at most one press that is over.
    pub(super) fn hear(&mut self, ssrc: u32, timestamp: u32, payload: &[u8], tick: u64) -> Option<Press> {
        let &[event, flags, high, low, ..] = payload else { return None };
        if usize::from(event) >= KEYS.len() {
            return None;
        }
        let cut = if self.ssrc == ssrc { None } else { self.end() };
        if self.ssrc != ssrc {
            *self = Keypad { ssrc, ..Keypad::default() };
        }
        let last = self.open.as_ref().map(|open| open.timestamp).or(self.told);
        let is_old = last.is_some_and(|last| timestamp.wrapping_sub(last).cast_signed() < 0);
        if self.told == Some(timestamp) || is_old {
            return cut;
        }
        let duration = u16::from_be_bytes([high, low]).into();
        let over = self.take(Open { event, timestamp, duration, before: 0, heard: tick });
        let ended = flags & 0x80 != 0;
        // Should two presses be over at once, the repeated end of this one brings it.
        cut.or(over).or_else(|| if ended { self.end() } else { None })
    }

    /// Gives a press whose end was lost.
    pub(super) fn tick(&mut self, tick: u64) -> Option<Press> {
        let lost = self.open.as_ref().is_some_and(|open| tick.saturating_sub(open.heard) > LOST_AFTER);
        if lost { self.end() } else { None }
    }

    /// Puts a packet to the open press, or opens another, which ends the one before.
    fn take(&mut self, mut heard: Open) -> Option<Press> {
        let Some(open) = &mut self.open else {
            self.open = Some(heard);
            return None;
        };
        if open.timestamp == heard.timestamp {
            open.duration = open.duration.max(heard.duration);
            open.heard = heard.heard;
            return None;
        }
        let is_next_segment = open.event == heard.event
            && open.duration == u32::from(u16::MAX)
            && heard.timestamp == open.timestamp.wrapping_add(open.duration);
        if is_next_segment {
            heard.before = open.before.saturating_add(open.duration);
            self.open = Some(heard);
            return None;
        }
        let over = self.end();
        self.open = Some(heard);
        over
    }

    fn end(&mut self) -> Option<Press> {
        let open = self.open.take()?;
        self.told = Some(open.timestamp);
        let digit = char::from(*KEYS.get(usize::from(open.event))?);
        Some(Press { digit, duration_ms: open.before.saturating_add(open.duration) / PER_MS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u8 = 0x80;

    fn payload(event: u8, flags: u8, duration: u16) -> [u8; 4] {
        let [high, low] = duration.to_be_bytes();
        [event, flags | 10, high, low]
    }

    fn press(digit: char, duration_ms: u32) -> Option<Press> {
        Some(Press { digit, duration_ms })
    }

    #[test]
    fn a_press_is_told_once_with_its_duration() {
        let mut keypad = Keypad::default();
        for duration in [160, 320, 640] {
            assert_eq!(keypad.hear(1, 1000, &payload(11, 0, duration), 0), None);
        }
        assert_eq!(keypad.hear(1, 1000, &payload(11, END, 800), 0), press('#', 100));
        assert_eq!(keypad.hear(1, 1000, &payload(11, END, 800), 0), None);
        assert_eq!(keypad.hear(1, 1000, &payload(11, 0, 480), 0), None);
        assert_eq!(keypad.hear(1, 900, &payload(3, END, 480), 0), None);
    }

    #[test]
    fn the_next_press_ends_one_whose_end_was_lost() {
        let mut keypad = Keypad::default();
        assert_eq!(keypad.hear(1, 1000, &payload(1, 0, 400), 0), None);
        assert_eq!(keypad.hear(1, 5000, &payload(1, 0, 160), 20), press('1', 50));
        assert_eq!(keypad.tick(30), None);
        assert_eq!(keypad.tick(31), press('1', 20));
        assert_eq!(keypad.tick(99), None);
        assert_eq!(keypad.hear(1, 5000, &payload(1, END, 800), 100), None);
    }

    #[test]
    fn a_long_press_in_segments_is_one() {
        let mut keypad = Keypad::default();
        assert_eq!(keypad.hear(1, 1000, &payload(5, 0, u16::MAX), 0), None);
        assert_eq!(keypad.hear(1, 1000 + 65_535, &payload(5, 0, 80), 1), None);
        assert_eq!(keypad.hear(1, 1000 + 65_535, &payload(5, END, 801), 2), press('5', 8292));
    }

    #[test]
    fn other_events_and_short_payloads_are_nothing() {
        let mut keypad = Keypad::default();
        assert_eq!(keypad.hear(1, 1, &payload(16, END, 800), 0), None);
        assert_eq!(keypad.hear(1, 1, &[1, END, 3], 0), None);
        assert_eq!(keypad.tick(1000), None);
    }

    #[test]
    fn a_new_source_may_start_with_lower_timestamps() {
        let mut keypad = Keypad::default();
        assert_eq!(keypad.hear(1, 90_000, &payload(1, END, 800), 0), press('1', 100));
        assert_eq!(keypad.hear(2, 1000, &payload(2, END, 800), 0), press('2', 100));
    }

    #[test]
    fn a_new_source_ends_the_press_of_the_old_one() {
        let mut keypad = Keypad::default();
        assert_eq!(keypad.hear(1, 90_000, &payload(1, 0, 800), 0), None);
        assert_eq!(keypad.hear(2, 1000, &payload(2, END, 800), 0), press('1', 100));
        assert_eq!(keypad.hear(2, 1000, &payload(2, END, 800), 0), press('2', 100));
    }
}
