//! One suite for every cache, then what is particular to each.

mod cases;
mod memory;
mod redis;

use std::future::Future;
use std::sync::Arc;

use protocol::ports::Cache;

use crate::redis::Redis;

/// Runs a case on the cache of a process, and on a Redis of its own.
async fn on_each<F: Future<Output = ()>>(case: impl Fn(Arc<dyn Cache>) -> F) {
    case(persistence::cache::open("memory:").await.unwrap()).await;
    let Some(server) = Redis::start().await else { return };
    case(persistence::cache::open(&server.url()).await.unwrap()).await;
}
