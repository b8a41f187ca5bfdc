//! The cache of a node that runs alone: bounded in bytes, and gone with the process.
//!
//! Expiry is checked on reading; moka's own only frees the memory, some time later.

use std::sync::Arc;
use std::time::Instant as StdInstant;

use async_trait::async_trait;
use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache as Moka;
use moka::policy::EvictionPolicy;
use protocol::Result;
use protocol::ports::Cache;
use tokio::time::{Duration, Instant};

use super::rate::{Rate, Rates};

/// The most that is kept, in bytes of keys and values; the least recently used goes first.
const MOST_BYTES: u64 = 64 << 20;
/// What an entry costs beside its bytes, roughly: without it empty values would be free.
const ENTRY_BYTES: usize = 128;

/// An empty cache in this process.
pub fn memory() -> Arc<dyn Cache> {
    let entries = Moka::builder()
        .max_capacity(MOST_BYTES)
        // the default policy may refuse what is new, such as a token that was just handed out
        .eviction_policy(EvictionPolicy::lru())
        .weigher(|key: &String, kept: &Kept| {
            u32::try_from(key.len() + kept.value.len() + ENTRY_BYTES).unwrap_or(u32::MAX)
        })
        .expire_after(Lifetime)
        .build();
    Arc::new(Memory { entries, rates: Rates::default() })
}

struct Memory {
    entries: Moka<String, Kept>,
    rates: Rates,
}

#[derive(Clone)]
struct Kept {
    value: Bytes,
    ttl: Duration,
    until: Instant,
}

impl Kept {
    fn current(self) -> Option<Bytes> {
        (Instant::now() < self.until).then_some(self.value)
    }
}

struct Lifetime;

impl Expiry<String, Kept> for Lifetime {
    fn expire_after_create(&self, _: &String, kept: &Kept, _: StdInstant) -> Option<Duration> {
        Some(kept.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        kept: &Kept,
        _: StdInstant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.ttl)
    }
}

#[async_trait]
impl Cache for Memory {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.entries.get(key).await.and_then(Kept::current))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        // a time that the clock cannot reach is never
        let Some(until) = Instant::now().checked_add(ttl) else {
            return Err(protocol::Error::invalid("the lifetime of a cached value is too long"));
        };
        self.entries.insert(key.to_owned(), Kept { value, ttl, until }).await;
        Ok(())
    }

    async fn forget(&self, key: &str) -> Result<()> {
        self.entries.invalidate(key).await;
        Ok(())
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.entries.remove(key).await.and_then(Kept::current))
    }

    async fn rate(&self, key: &str, per_second: f64, burst: u32) -> Result<Option<Duration>> {
        Ok(self.rates.take(key, Rate::new(per_second, burst)?, Instant::now()))
    }

    async fn health(&self) -> Result<()> {
        Ok(())
    }
}
