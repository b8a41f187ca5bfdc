//! Digits that we send: RFC 4733 events, or the tones themselves to a peer that did not offer events.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::{Error, Result};
use uuid::Uuid;

use super::clock::{SAMPLES, ticks};
use super::keypad::KEYS;

/// Digits of one command: longer than any number, code or card.
const MAX_DIGITS: usize = 128;
/// Milliseconds that a digit may last: what fits the 16 bits of an event without a second segment.
const MAX_DURATION: u32 = 8000;
/// The longest pause between digits, in milliseconds.
const MAX_GAP: u32 = 10_000;
/// The end of an event goes out three times (RFC 4733 2.5.1.4): twice more, in the pause that follows.
const REPEATS: u32 = 2;
/// Frequencies of the rows and columns of a keypad (ITU-T Q.23), by event code.
const TONES: [[u16; 2]; 16] = [
    [941, 1336],
    [697, 1209],
    [697, 1336],
    [697, 1477],
    [770, 1209],
    [770, 1336],
    [770, 1477],
    [852, 1209],
    [852, 1336],
    [852, 1477],
    [941, 1209],
    [941, 1477],
    [697, 1633],
    [770, 1633],
    [852, 1633],
    [941, 1633],
];

/// One command's digits, on their way.
#[derive(Debug)]
pub(super) struct Digits {
    pub(super) id: Uuid,
    /// Event codes.
    codes: VecDeque<u8>,
    lasts: u32,
    pause: u32,
    /// Ticks since the first digit of `codes` began.
    tick: u32,
}

/// What a tick sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Event(Event),
    Pause,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    code: u8,
    /// Samples so far, this packet included.
    pub(super) samples: u16,
    pub(super) first: bool,
    end: bool,
    /// A repeated end: nothing sounds any more.
    pub(super) repeated: bool,
}

impl Digits {
    /// `0-9 * # A-D`, each for `duration_ms` with `gap_ms` between, in steps of 20 ms. A gap under 40 ms is
    /// 40 ms: the ends of the event need it.
    pub(super) fn new(id: Uuid, digits: &str, duration_ms: u32, gap_ms: u32) -> Result<Digits> {
        let code = |digit: char| KEYS.iter().position(|key| char::from(*key) == digit.to_ascii_uppercase());
        let codes: Option<VecDeque<u8>> = digits.chars().map(|digit| Some(code(digit)? as u8)).collect();
        let codes = codes.ok_or_else(|| Error::invalid("digits: only 0-9, *, # and A-D can be sent"))?;
        if codes.is_empty() || codes.len() > MAX_DIGITS {
            return Err(Error::invalid(format!("digits: 1 to {MAX_DIGITS} are sent at once")));
        }
        if duration_ms == 0 || duration_ms > MAX_DURATION || gap_ms > MAX_GAP {
            return Err(Error::invalid(format!(
                "digits: at most {MAX_DURATION} ms each, {MAX_GAP} ms apart"
            )));
        }
        let frames = |ms: u32| ticks(Duration::from_millis(u64::from(ms) + 19)) as u32;
        let (lasts, pause) = (frames(duration_ms), frames(gap_ms).max(REPEATS));
        Ok(Digits { id, codes, lasts, pause, tick: 0 })
    }

    /// What this tick sends; `None` when every digit and its pause are over.
    pub(super) fn next(&mut self) -> Option<Step> {
        let code = *self.codes.front()?;
        let now = self.tick;
        self.tick += 1;
        if self.tick == self.lasts + self.pause {
            self.codes.pop_front();
            self.tick = 0;
        }
        if now >= self.lasts + REPEATS {
            return Some(Step::Pause);
        }
        let samples = ((now + 1).min(self.lasts) * SAMPLES as u32) as u16;
        let (end, repeated) = (now + 1 >= self.lasts, now >= self.lasts);
        Some(Step::Event(Event { code, samples, first: now == 0, end, repeated }))
    }
}

impl Event {
    /// The four bytes of a telephone-event, at -10 dBm0.
    pub(super) fn payload(&self) -> [u8; 4] {
        let [high, low] = self.samples.to_be_bytes();
        [self.code, u8::from(self.end) << 7 | 10, high, low]
    }

    pub(super) fn frequencies(&self) -> [u16; 2] {
        TONES[usize::from(self.code) % TONES.len()]
    }

    /// Samples of the tone before this tick.
    pub(super) fn elapsed(&self) -> usize {
        usize::from(self.samples) - SAMPLES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: u8, samples: u16, first: bool, end: bool, repeated: bool) -> Step {
        Step::Event(Event { code, samples, first, end, repeated })
    }

    #[test]
    fn each_digit_grows_ends_three_times_and_pauses() {
        let mut digits = Digits::new(Uuid::nil(), "a#", 40, 60).expect("valid");
        for code in [12, 11] {
            assert_eq!(digits.next(), Some(event(code, 160, true, false, false)));
            assert_eq!(digits.next(), Some(event(code, 320, false, true, false)));
            assert_eq!(digits.next(), Some(event(code, 320, false, true, true)));
            assert_eq!(digits.next(), Some(event(code, 320, false, true, true)));
            assert_eq!(digits.next(), Some(Step::Pause));
        }
        assert_eq!(digits.next(), None);
    }

    #[test]
    fn the_longest_digit_fits_its_field() {
        let mut digits = Digits::new(Uuid::nil(), "1", MAX_DURATION, 0).expect("valid");
        let longest = std::iter::from_fn(|| digits.next()).filter_map(|step| match step {
            Step::Event(event) => Some(event.samples),
            Step::Pause => None,
        });
        assert_eq!(longest.max(), Some(64_000));
    }

    #[test]
    fn what_is_no_digit_or_out_of_bounds_is_refused() {
        for (digits, duration, gap) in
            [("", 100, 0), ("12x", 100, 0), ("1", 0, 0), ("1", 8001, 0), ("1", 100, 10_001), ("é", 100, 0)]
        {
            assert!(Digits::new(Uuid::nil(), digits, duration, gap).is_err(), "{digits} {duration} {gap}");
        }
        assert!(Digits::new(Uuid::nil(), &"1".repeat(MAX_DIGITS + 1), 100, 0).is_err());
    }
}
