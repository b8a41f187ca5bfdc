//! A cache that counts what it is asked, and how often it does not answer.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use metrics::{Counter, counter};
use protocol::Result;
use protocol::ports::Cache;
use tokio::time::Duration;

struct Counted {
    cache: Arc<dyn Cache>,
    answered: Counter,
    failed: Counter,
}

pub(crate) fn counted(cache: Arc<dyn Cache>) -> Arc<dyn Cache> {
    let requests = |result: &'static str| counter!("cache_requests_total", "result" => result);
    Arc::new(Counted { cache, answered: requests("answered"), failed: requests("failed") })
}

impl Counted {
    async fn note<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = answer.await;
        if answer.is_ok() {
            self.answered.increment(1)
        } else {
            self.failed.increment(1)
        }
        answer
    }
}

#[async_trait]
impl Cache for Counted {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.note(self.cache.get(key)).await
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        self.note(self.cache.put(key, value, ttl)).await
    }

    async fn forget(&self, key: &str) -> Result<()> {
        self.note(self.cache.forget(key)).await
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>> {
        self.note(self.cache.take(key)).await
    }

    async fn rate(&self, key: &str, per_second: f64, burst: u32) -> Result<Option<Duration>> {
        self.note(self.cache.rate(key, per_second, burst)).await
    }

    /// Whoever looks whether it is well does not use it.
    async fn health(&self) -> Result<()> {
        self.cache.health().await
    }
}
