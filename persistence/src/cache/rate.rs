//! GCRA: a rate as one time per key, the one at which its bucket is full again.
//!
//! A key whose bucket is full equals a key that never was, so it can be dropped without anybody noticing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use protocol::{Error, Result};
use tokio::time::{Duration, Instant};

/// Keys with a bucket that is not full. Beyond that new keys wait: forgetting one would free its owner.
const MOST_KEYS: usize = 100_000;
/// How many keys may come before idle ones are looked for: keeps that search off most requests.
const SWEEP_EVERY: usize = 1024;
/// The slowest rate that is told apart from never: one unit a day.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Copy)]
pub(super) struct Rate {
    interval: Duration,
    burst: u32,
}

impl Rate {
    /// A burst of zero is one: a rate grants something.
    pub(super) fn new(per_second: f64, burst: u32) -> Result<Self> {
        if per_second.is_nan() || per_second <= 0.0 {
            return Err(Error::invalid("a rate must be more than zero a second"));
        }
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(LONGEST).min(LONGEST);
        Ok(Rate { interval, burst: burst.max(1) })
    }

    /// Rounded up: never more than was asked for.
    pub(super) fn interval_micros(self) -> u128 {
        self.interval.as_nanos().div_ceil(1000)
    }

    pub(super) fn burst(self) -> u32 {
        self.burst
    }

    /// One unit: when the bucket is full again after it, or how long until there is one. Redis computes the
    /// same in `redis/gcra.lua`.
    fn next(self, full_at: Option<Instant>, now: Instant) -> Result<Instant, Duration> {
        let depth = self.interval.saturating_mul(self.burst);
        // beyond the depth is the time of another rate under the same key
        let known = full_at.filter(|at| (now..=now + depth).contains(at));
        let full_at = known.unwrap_or(now) + self.interval;
        let wait = full_at.duration_since(now).saturating_sub(depth);
        if wait.is_zero() { Ok(full_at) } else { Err(wait) }
    }
}

#[derive(Default)]
pub(super) struct Rates {
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    full_at: HashMap<String, Instant>,
    /// New keys since idle ones were dropped.
    new: usize,
}

impl Rates {
    /// One unit, or how long until there is one.
    pub(super) fn take(&self, key: &str, rate: Rate, now: Instant) -> Option<Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = buckets.full_at.get(key).copied();
        let full_at = match rate.next(known, now) {
            Ok(full_at) => full_at,
            Err(wait) => return Some(wait),
        };
        if known.is_none() && !buckets.has_room(now) {
            return Some(rate.interval);
        }
        buckets.full_at.insert(key.to_owned(), full_at);
        None
    }
}

impl Buckets {
    fn has_room(&mut self, now: Instant) -> bool {
        self.new += 1;
        if self.new >= SWEEP_EVERY {
            self.new = 0;
            self.full_at.retain(|_, at| *at > now);
        }
        self.full_at.len() < MOST_KEYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: f64, burst: u32) -> Rate {
        Rate::new(per_second, burst).expect("a rate")
    }

    #[test]
    fn a_burst_is_granted_and_refills_by_the_rate() {
        let (rates, twice, start) = (Rates::default(), rate(2.0, 3), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        for _ in 0..3 {
            assert_eq!(rates.take("a", twice, start), None);
        }
        assert_eq!(rates.take("a", twice, start), Some(Duration::from_millis(500)));
        assert_eq!(rates.take("b", twice, start), None, "keys do not share a bucket");
        assert_eq!(rates.take("a", twice, at(499)), Some(Duration::from_millis(1)));
        assert_eq!(rates.take("a", twice, at(500)), None);
        assert_eq!(rates.take("a", twice, at(500)), Some(Duration::from_millis(500)));
        assert_eq!((0..9).filter(|_| rates.take("a", twice, at(60_000)).is_none()).count(), 3);
    }

    #[test]
    fn keys_are_bounded_and_idle_ones_make_room() {
        let (rates, once, start) = (Rates::default(), rate(1.0, 1), Instant::now());
        let flood = |keys: std::ops::Range<usize>, now| {
            keys.filter(|key| rates.take(&key.to_string(), once, now).is_none()).count()
        };
        assert_eq!(flood(0..MOST_KEYS + 5000, start), MOST_KEYS);
        let later = start + Duration::from_secs(2);
        assert!(flood(200_000..200_000 + 2 * SWEEP_EVERY, later) > SWEEP_EVERY);
        assert!(rates.buckets.lock().expect("lock").full_at.len() <= 2 * SWEEP_EVERY);
    }

    #[test]
    fn a_rate_that_grants_nothing_is_an_error() {
        for per_second in [0.0, -1.0, f64::NAN] {
            assert!(Rate::new(per_second, 1).is_err());
        }
        for per_second in [f64::MIN_POSITIVE, f64::INFINITY] {
            assert_eq!(Rates::default().take("a", rate(per_second, 0), Instant::now()), None);
        }
    }
}
