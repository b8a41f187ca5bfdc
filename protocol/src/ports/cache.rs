//! What may be forgotten at any time: rates, tokens, copies of rows. Never the only place of a truth.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Duration;

use crate::Result;

#[async_trait]
pub trait Cache: Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<Bytes>>;
    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()>;
    async fn forget(&self, key: &str) -> Result<()>;
    /// Returns the value and forgets it: a one-time token is used once.
    async fn take(&self, key: &str) -> Result<Option<Bytes>>;
    /// One unit of a rate (GCRA): `None` when it is granted, else how long until the next one.
    async fn rate(&self, key: &str, per_second: f64, burst: u32) -> Result<Option<Duration>>;
    async fn health(&self) -> Result<()>;
}
