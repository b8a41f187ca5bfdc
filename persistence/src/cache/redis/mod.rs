//! The cache in a Redis. One multiplexed connection; no command is ever sent twice.
//!
//! Everything answers within [`line::LIMIT`] or is an error, and at once while there is no connection.

mod failure;
mod line;

use std::future::Future;

use async_trait::async_trait;
use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{ClientLike as _, KeysInterface as _, LuaInterface as _};
use fred::types::Expiration;
use fred::types::config::Config;
use protocol::ports::Cache;
use protocol::{Error, Result};
use tokio::sync::Semaphore;
use tokio::time::{Duration, timeout};

use self::failure::away;
use self::line::{Line, MOST_WAITING, SURELY};
use super::rate::Rate;

/// Sent each time: Redis knows it by its sum, and one that was restarted or flushed needs no second question.
const GCRA: &str = include_str!("gcra.lua");

/// The longest life that Redis' clock reaches without overflowing.
const LONGEST_MILLIS: u128 = i64::MAX as u128 / 2;

/// Values and rates do not meet, whatever their keys are.
fn kept(key: &str) -> String {
    format!("branchline:kept:{key}")
}

fn counted(key: &str) -> String {
    format!("branchline:rate:{key}")
}

pub(super) struct Redis {
    line: Line,
    /// Commands at a time: when Redis is slow there is no queue in front of it.
    places: Semaphore,
}

impl Redis {
    /// Waits for the first attempt to connect, whatever comes of it.
    pub(super) async fn open(url: &str) -> Result<Self> {
        // the parser's own words may repeat the password
        let config = Config::from_url_centralized(url).map_err(|cause| match failure::is_tls(&cause) {
            true => Error::invalid("the certificates that this system trusts cannot be read"),
            false => {
                Error::invalid("the URL cannot be read; it must be redis://user:password@host:port/number")
            }
        })?;
        Ok(Redis { line: Line::open(config).await, places: Semaphore::new(MOST_WAITING) })
    }

    async fn ask<T, F>(&self, command: impl FnOnce(Client) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, fred::error::Error>>,
    {
        let client = self.line.client()?;
        let _place = self.places.try_acquire().map_err(|_| away("too many commands wait for it"))?;
        match timeout(SURELY, command(client)).await {
            Ok(answer) => answer.map_err(failure::explain),
            Err(_) => Err(away(failure::LATE)),
        }
    }
}

#[async_trait]
impl Cache for Redis {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.ask(|redis| async move { redis.get(kept(key)).await }).await
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        let millis = ttl.as_millis();
        if millis > LONGEST_MILLIS {
            return Err(Error::invalid("the lifetime of a cached value is too long"));
        }
        let life = i64::try_from(millis).map_err(Error::internal)?;
        if life == 0 {
            // Redis refuses a life of nothing; the value before it is gone all the same
            return self.forget(key).await;
        }
        let expire = Some(Expiration::PX(life));
        self.ask(|redis| async move { redis.set(kept(key), value, expire, None, false).await }).await
    }

    async fn forget(&self, key: &str) -> Result<()> {
        self.ask(|redis| async move { redis.del(kept(key)).await }).await
    }

    /// When the answer is lost the value is gone: used once or not at all, never twice.
    async fn take(&self, key: &str) -> Result<Option<Bytes>> {
        self.ask(|redis| async move { redis.getdel(kept(key)).await }).await
    }

    async fn rate(&self, key: &str, per_second: f64, burst: u32) -> Result<Option<Duration>> {
        let rate = Rate::new(per_second, burst)?;
        let of = vec![rate.interval_micros().to_string(), rate.burst().to_string()];
        let wait: u64 = self.ask(|redis| async move { redis.eval(GCRA, counted(key), of).await }).await?;
        Ok((wait > 0).then(|| Duration::from_micros(wait)))
    }

    async fn health(&self) -> Result<()> {
        self.ask(|redis| async move { redis.ping::<()>(None).await }).await
    }
}
