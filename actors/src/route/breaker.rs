//! Which carriers are failing right now, as this node sees it. Not stored: after a restart everybody gets
//! another chance.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use chrono::TimeDelta;
use protocol::time::Time;
use uuid::Uuid;

/// Failures in a row that make a carrier unhealthy: one or two happen to every carrier.
const LIMIT: u32 = 5;
/// How long an unhealthy carrier is tried last. The next attempt after that decides anew.
const PAUSE: TimeDelta = TimeDelta::seconds(30);

#[derive(Default)]
pub(super) struct Breaker(Mutex<HashMap<Uuid, Record>>);

struct Record {
    failures: u32,
    open_until: Option<Time>,
}

impl Breaker {
    /// Notes an attempt and answers whether the provider is healthy by it, if that is known.
    pub(super) fn note(&self, provider: Uuid, healthy: bool, now: Time) -> Option<bool> {
        let mut records = self.lock();
        if healthy {
            records.remove(&provider);
            return Some(true);
        }
        let record = records.entry(provider).or_insert(Record { failures: 0, open_until: None });
        record.failures = record.failures.saturating_add(1);
        if record.failures < LIMIT {
            return None;
        }
        record.open_until = Some(now + PAUSE);
        Some(false)
    }

    pub(super) fn is_open(&self, provider: Uuid, now: Time) -> bool {
        self.lock().get(&provider).and_then(|record| record.open_until).is_some_and(|until| now < until)
    }

    pub(super) fn forget(&self, provider: Uuid) {
        self.lock().remove(&provider);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Record>> {
        self.0.lock().expect("nothing panics while it holds the records")
    }
}

#[cfg(test)]
mod tests {
    use protocol::time;

    use super::*;

    const A: Uuid = Uuid::from_u128(1);

    #[test]
    fn five_failures_in_a_row_open_it_for_thirty_seconds() {
        let now = time::parse("2026-01-01T00:00:00Z").expect("a time");
        let breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(breaker.note(A, false, now), None);
        }
        assert!(!breaker.is_open(A, now));
        assert_eq!(breaker.note(A, false, now), Some(false));
        assert!(breaker.is_open(A, now + TimeDelta::seconds(29)));
        assert!(!breaker.is_open(A, now + TimeDelta::seconds(30)));
        assert!(!breaker.is_open(Uuid::from_u128(2), now));
    }

    #[test]
    fn one_success_closes_it_and_one_failure_after_the_pause_opens_it_again() {
        let now = time::parse("2026-01-01T00:00:00Z").expect("a time");
        let breaker = Breaker::default();
        for _ in 0..5 {
            breaker.note(A, false, now);
        }
        let later = now + TimeDelta::seconds(31);
        assert_eq!(breaker.note(A, false, later), Some(false));
        assert!(breaker.is_open(A, later));
        assert_eq!(breaker.note(A, true, later), Some(true));
        assert!(!breaker.is_open(A, later));
        assert_eq!(breaker.note(A, false, later), None);
    }
}
