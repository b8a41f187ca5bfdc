//! A rate that all nodes count together in the cache; without it each node applies the rate by itself.
//!
//! So while the cache is away a customer has the rate once on every node: more than its limit, never no limit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::ports::Cache;
use tokio::time::{Duration, Instant, timeout};
use tracing::warn;

use super::local::Local;
use crate::settings::Rate;

/// A cache that failed is left alone for so long; then one request tries it, and the others need not wait.
const PAUSE: Duration = Duration::from_secs(1);

/// How many limits are applied by this node alone.
const ALONE: &str = "rate_limits_alone";

pub(super) struct Shared {
    rate: Rate,
    /// How long a request waits for the cache.
    patience: Duration,
    cache: Arc<dyn Cache>,
    own: Local<String>,
    /// When the cache may be asked again, after it failed.
    again: Mutex<Option<Instant>>,
}

impl Shared {
    pub(super) fn new(rate: Rate, patience: Duration, cache: Arc<dyn Cache>) -> Self {
        Shared { rate, patience, cache, own: Local::new(rate), again: Mutex::new(None) }
    }

    pub(super) fn is_off(&self) -> bool {
        self.rate.is_off()
    }

    /// `None` when granted, else how long until the next one is.
    pub(super) async fn take(&self, key: String) -> Option<Duration> {
        if !self.may_ask() {
            return self.own.take(key);
        }
        let asked = self.cache.rate(&key, self.rate.per_second, self.rate.burst);
        match timeout(self.patience, asked).await {
            Ok(Ok(wait)) => {
                if self.again().take().is_some() {
                    metrics::gauge!(ALONE).decrement(1);
                }
                wait
            }
            Ok(Err(error)) => self.alone(key, &error.message),
            Err(_) => self.alone(key, "no answer in time"),
        }
    }

    /// The first one after the pause is let through, and the pause begins again until it has its answer.
    fn may_ask(&self) -> bool {
        let mut again = self.again();
        let is_due = again.is_none_or(|at| at <= Instant::now());
        if is_due && again.is_some() {
            *again = Some(Instant::now() + PAUSE);
        }
        is_due
    }

    fn alone(&self, key: String, reason: &str) -> Option<Duration> {
        // an outage is one line in the log, not one a second
        if self.again().replace(Instant::now() + PAUSE).is_none() {
            warn!(reason, "rates are counted by this node alone");
            metrics::gauge!(ALONE).increment(1);
        }
        self.own.take(key)
    }

    /// A panic elsewhere cannot leave a half-made time.
    fn again(&self) -> MutexGuard<'_, Option<Instant>> {
        self.again.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
