//! What may be forgotten at any time: in this process, or in a Redis that all nodes share.
//!
//! A shared cache that is away is an error of every call, at once. What to do then is the caller's business.

mod memory;
mod rate;
mod redis;

use std::sync::Arc;

use protocol::ports::Cache;
use protocol::{Error, Result};

pub use memory::memory;

/// Opens a cache.
///
/// - `memory:`: in this process; see [`memory`].
/// - `redis://user:password@host:port/number`, or `rediss://` over TLS with the certificates that the system
///   trusts: a Redis from 6.2 on, shared by all nodes that name it.
///
/// A URL that cannot be read is an error. A Redis that cannot be reached is not: after a few seconds the cache
/// is handed out all the same, answers [`Error::unavailable`], and works as soon as it is there.
pub async fn open(url: &str) -> Result<Arc<dyn Cache>> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(memory()),
        Some(("redis" | "rediss", _)) => Ok(Arc::new(redis::Redis::open(url).await?)),
        _ => Err(Error::invalid("the cache must be memory: or redis://user:password@host:port/number")),
    }
}
