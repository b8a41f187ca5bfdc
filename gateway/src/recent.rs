//! Answers that may be one second old: what makes reading the caller's standing on every request affordable.
//!
//! Bounded. The lock is held for one look-up, never across an await.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

/// A revoked key or a changed right takes effect within this time on every node.
pub(crate) const FRESH: Duration = Duration::from_secs(1);

/// Callers within one second on one node; beyond it the oldest are asked for again.
const MOST: usize = 16_384;

pub(crate) struct Recent<K, V>(Mutex<HashMap<K, (Instant, V)>>);

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(crate) fn new() -> Self {
        Recent(Mutex::new(HashMap::new()))
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let entries = self.lock();
        let (since, value) = entries.get(key)?;
        (since.elapsed() < FRESH).then(|| value.clone())
    }

    /// `asked` is when the question was sent, so that a slow answer is not fresher than it is.
    pub(crate) fn put(&self, key: K, value: V, asked: Instant) {
        let mut entries = self.lock();
        if entries.len() >= MOST {
            entries.retain(|_, (since, _)| since.elapsed() < FRESH);
        }
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(key, (asked, value));
    }

    /// A panic elsewhere cannot leave a half-made entry, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, (Instant, V)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_remembered_for_less_than_a_second() {
        let recent = Recent::new();
        recent.put(1, "a", Instant::now());
        recent.put(2, "b", Instant::now() - FRESH);
        assert_eq!((recent.get(&1), recent.get(&2), recent.get(&3)), (Some("a"), None, None));
    }

    #[test]
    fn the_number_of_answers_is_bounded() {
        let recent = Recent::new();
        for key in 0..=MOST {
            recent.put(key, (), Instant::now());
        }
        assert!(recent.lock().len() <= MOST);
    }
}
