//! How much one address, customer or username may ask for (GCRA). Refused at once, never queued.
//!
//! Per address is this process's own count; per customer and username is shared through the cache, and a
//! cache that fails or is slow refuses nobody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::ports::Cache;
use protocol::{Error, Status};
use tokio::time::{Duration, Instant, timeout};
use tracing::warn;
use uuid::Uuid;

use crate::fingerprint;
use crate::response::Refusal;
use crate::settings::{Limits, Rate};

/// VoIPBIN's patience with the shared counter, before it lets the request pass.
const PATIENCE: Duration = Duration::from_millis(50);

/// Addresses counted at a time. Past it all counts are forgotten: a flood of addresses costs no memory.
const MOST: usize = 65_536;

pub(crate) struct Limiter {
    limits: Limits,
    auth: Local,
    v1: Local,
    cache: Arc<dyn Cache>,
}

impl Limiter {
    pub(crate) fn new(limits: Limits, cache: Arc<dyn Cache>) -> Self {
        Limiter { limits, auth: Local::new(limits.auth), v1: Local::new(limits.v1), cache }
    }

    pub(crate) fn v1(&self, address: IpAddr) -> Result<(), Refusal> {
        self.v1.take(block(address)).map_or(Ok(()), |wait| Err(too_many("ip", wait)))
    }

    pub(crate) fn auth(&self, address: IpAddr) -> Result<(), Refusal> {
        self.auth.take(block(address)).map_or(Ok(()), |wait| Err(too_many("ip", wait)))
    }

    pub(crate) async fn customer(&self, id: Uuid) -> Result<(), Refusal> {
        let rate = self.limits.customer;
        self.shared("customer", rate, || format!("rate:v1:{id}")).await
    }

    /// Guesses at one password count together, wherever they come from.
    pub(crate) async fn username(&self, username: &str) -> Result<(), Refusal> {
        let key = || format!("rate:login:{}", fingerprint::hex(&fingerprint::of(&username.to_lowercase())));
        self.shared("username", self.limits.username, key).await
    }

    async fn shared(&self, by: &str, rate: Rate, key: impl FnOnce() -> String) -> Result<(), Refusal> {
        if rate.is_off() {
            return Ok(());
        }
        let key = key();
        match timeout(PATIENCE, self.cache.rate(&key, rate.per_second, rate.burst)).await {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(wait))) => Err(too_many(by, wait)),
            Ok(Err(error)) => {
                warn!(by, %error, "rate not counted");
                Ok(())
            }
            Err(_) => {
                warn!(by, "rate not counted in time");
                Ok(())
            }
        }
    }
}

/// An IPv6 client owns its whole /64, so that is what counts.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn too_many(by: &str, wait: Duration) -> Refusal {
    let error = Error::new(Status::ResourceExhausted, "RATE_LIMIT_EXCEEDED", "Too many requests.");
    Refusal::after(error.detail("limited_by", by), wait)
}

/// For each key the time at which its burst is whole again.
struct Local {
    rate: Rate,
    whole: Mutex<HashMap<IpAddr, Instant>>,
}

impl Local {
    fn new(rate: Rate) -> Self {
        Local { rate, whole: Mutex::new(HashMap::new()) }
    }

    /// `None` when granted, else how long until the next one is.
    fn take(&self, key: IpAddr) -> Option<Duration> {
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
        let address = IpAddr::from([127, 0, 0, 1]);
        assert!((0..3).all(|_| local.take(address).is_none()));
        let wait = local.take(address).expect("a wait");
        assert!(wait > Duration::from_secs(9) && wait <= Duration::from_secs(10), "{wait:?}");
        assert!(local.take(IpAddr::from([127, 0, 0, 2])).is_none());
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let parse = |text: &str| block(text.parse().expect("an address"));
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:1:2:3"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
    }
}
