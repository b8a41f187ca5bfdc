//! How many are inside something at the moment, counted without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many are inside at the moment. A clone counts the same.
#[derive(Clone, Default)]
pub(super) struct Inside(Arc<AtomicUsize>);

/// One of them; leaving is dropping it.
pub(super) struct Visit(Inside);

impl Inside {
    pub(super) fn enter(&self) -> Visit {
        self.0.fetch_add(1, Ordering::Relaxed);
        Visit(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
