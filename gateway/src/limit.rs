//! How much one address, customer or username may ask for (GCRA). Refused at once, never queued.
//!
//! Per address is this process's own count; per customer and username is shared through the cache.

mod local;
mod shared;

use std::net::IpAddr;
use std::sync::Arc;

use protocol::ports::Cache;
use protocol::{Error, Status};
use tokio::time::Duration;
use uuid::Uuid;

use self::local::Local;
use self::shared::Shared;
use crate::fingerprint;
use crate::response::Refusal;
use crate::settings::Limits;

pub(crate) struct Limiter {
    auth: Local<IpAddr>,
    v1: Local<IpAddr>,
    customer: Shared,
    username: Shared,
}

impl Limiter {
    pub(crate) fn new(limits: Limits, cache: Arc<dyn Cache>) -> Self {
        let shared = |rate| Shared::new(rate, limits.patience, cache.clone());
        Limiter {
            auth: Local::new(limits.auth),
            v1: Local::new(limits.v1),
            customer: shared(limits.customer),
            username: shared(limits.username),
        }
    }

    pub(crate) fn v1(&self, address: IpAddr) -> Result<(), Refusal> {
        said("ip", self.v1.take(block(address)))
    }

    pub(crate) fn auth(&self, address: IpAddr) -> Result<(), Refusal> {
        said("ip", self.auth.take(block(address)))
    }

    pub(crate) async fn customer(&self, id: Uuid) -> Result<(), Refusal> {
        if self.customer.is_off() {
            return Ok(());
        }
        said("customer", self.customer.take(format!("v1:{id}")).await)
    }

    /// Guesses at one password count together, wherever they come from.
    pub(crate) async fn username(&self, username: &str) -> Result<(), Refusal> {
        if self.username.is_off() {
            return Ok(());
        }
        let hash = fingerprint::hex(&fingerprint::of(&username.to_lowercase()));
        said("username", self.username.take(format!("login:{hash}")).await)
    }
}

/// An IPv6 client owns its whole /64, so that is what counts.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn said(by: &str, wait: Option<Duration>) -> Result<(), Refusal> {
    let Some(wait) = wait else { return Ok(()) };
    let error = Error::new(Status::ResourceExhausted, "RATE_LIMIT_EXCEEDED", "Too many requests.");
    Err(Refusal::after(error.detail("limited_by", by), wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_network_is_one_client() {
        let parse = |text: &str| block(text.parse().expect("an address"));
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:1:2:3"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
    }
}
