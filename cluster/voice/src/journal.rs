//! A journal in memory: for phones and carriers of the demo, whose calls need not outlive them, and for tests,
//! where an engine is stopped and another goes on with the same journal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use protocol::Result;
use protocol::ports::voice::{DialogJournal, LegId};

/// Clones share what is written.
#[derive(Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<HashMap<LegId, Bytes>>>);

impl MemoryJournal {
    /// Dialogs that are kept.
    pub fn len(&self) -> usize {
        self.kept().len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept().is_empty()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<LegId, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl DialogJournal for MemoryJournal {
    async fn put(&self, leg: LegId, state: Bytes) -> Result<()> {
        self.kept().insert(leg, state);
        Ok(())
    }

    async fn put_soon(&self, leg: LegId, state: Bytes) -> Result<()> {
        self.put(leg, state).await
    }

    async fn erase(&self, leg: LegId) -> Result<()> {
        self.kept().remove(&leg);
        Ok(())
    }

    async fn all(&self) -> Result<Vec<(LegId, Bytes)>> {
        Ok(self.kept().iter().map(|(leg, state)| (*leg, state.clone())).collect())
    }
}
