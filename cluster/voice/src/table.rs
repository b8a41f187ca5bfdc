//! A shared map with short locks: nothing is awaited or called while one is held.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

pub(crate) struct Table<K, V>(RwLock<HashMap<K, V>>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table(RwLock::default())
    }
}

impl<K: Eq + Hash, V: Clone> Table<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(crate) fn insert(&self, key: K, value: V) -> Option<V> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, value)
    }

    /// Inserts unless the key is there already.
    pub(crate) fn claim(&self, key: K, value: V) -> bool {
        match self.0.write().unwrap_or_else(PoisonError::into_inner).entry(key) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(value);
                true
            }
        }
    }

    pub(crate) fn remove(&self, key: &K) -> Option<V> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(key)
    }

    pub(crate) fn keys(&self) -> HashSet<K>
    where
        K: Clone,
    {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&V) -> bool) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().filter(|value| wanted(value)).count()
    }
}
