//! A rate that this process counts alone (GCRA): for each key the time at which its burst is whole again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use tokio::time::{Duration, Instant};

use crate::settings::Rate;

/// Keys counted at a time. Past it all counts are forgotten: a flood of addresses costs no memory.
const MOST: usize = 65_536;

pub(super) struct Local<K> {
    rate: Rate,
    whole: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> Local<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Local { rate, whole: Mutex::new(HashMap::new()) }
    }

    /// `None` when granted, else how long until the next one is.
    pub(super) fn take(&self, key: K) -> Option<Duration> {
        if self.rate.is_off() {
            return None;
        }
        let now = Instant::now();
        let step = Duration::from_secs_f64(1.0 / self.rate.per_second);
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if whole.len() >= MOST {
            whole.clear();
        }
        let at = whole.entry(key).or_insert(now);
        let next = (*at).max(now) + step;
        let excess = next.duration_since(now).saturating_sub(step * self.rate.burst);
        if excess.is_zero() {
            *at = next;
            return None;
        }
        Some(excess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_one_waits() {
        let local = Local::new(Rate::new(0.1, 3));
        assert!((0..3).all(|_| local.take("a").is_none()));
        let wait = local.take("a").expect("a wait");
        assert!(wait > Duration::from_secs(9) && wait <= Duration::from_secs(10), "{wait:?}");
        assert!(local.take("b").is_none());
    }
}
