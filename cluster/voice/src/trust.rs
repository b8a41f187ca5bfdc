//! Until when this engine may speak: another one may carry its calls after that, and a call has one voice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What waits to be said is given up after this: as long as SIP waits for an answer (RFC 3261 17, 64 T1).
const PATIENCE: Duration = Duration::from_secs(32);
/// How soon it is noticed that the engine may speak again.
const LOOK: Duration = Duration::from_millis(50);

/// Asked before every packet. Nobody has limited a new one.
#[derive(Clone)]
pub(crate) struct Trust {
    since: Instant,
    /// In microseconds after `since`.
    until: Arc<AtomicU64>,
}

impl Default for Trust {
    fn default() -> Self {
        Trust { since: Instant::now(), until: Arc::new(AtomicU64::new(u64::MAX)) }
    }
}

impl Trust {
    pub(crate) fn set(&self, until: Instant) {
        let until = until.saturating_duration_since(self.since).as_micros();
        self.until.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
    }

    pub(crate) fn holds(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until == u64::MAX || self.since.elapsed().as_micros() < u128::from(until)
    }

    /// Waits until it holds. False when it did not in time.
    pub(crate) async fn regained(&self) -> bool {
        let begun = Instant::now();
        while !self.holds() {
            if begun.elapsed() > PATIENCE {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_holds_until_its_time_and_again_when_it_is_given_more() {
        let trust = Trust::default();
        assert!(trust.holds(), "nobody has limited it");
        trust.set(Instant::now() + Duration::from_secs(1));
        assert!(trust.holds());
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(trust.holds());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!trust.holds());
        let other = trust.clone();
        let later = async {
            sleep(Duration::from_secs(3)).await;
            other.set(Instant::now() + Duration::from_secs(60));
        };
        assert!(tokio::join!(trust.regained(), later).0);
        trust.set(Instant::now());
        assert!(!trust.regained().await, "it is given up");
    }
}
