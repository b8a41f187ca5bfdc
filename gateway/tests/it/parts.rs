//! The ports behind the gateway, each a small real one in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use gateway::{Check, Probe};
use protocol::ports::{Bus, Cache, Clock, Serve, Subscribe, Subscription};
use protocol::time::Time;
use protocol::{Error, Event, Result, sock};
use tokio::sync::broadcast;
use tokio::time::{Duration, Instant};

/// Counts like a shared cache; can be made unreachable, or silent.
#[derive(Default)]
pub(crate) struct Memory {
    whole: Mutex<HashMap<String, Instant>>,
    pub(crate) asked: AtomicUsize,
    pub(crate) is_down: AtomicBool,
    pub(crate) is_hung: AtomicBool,
}

#[async_trait]
impl Cache for Memory {
    async fn get(&self, _: &str) -> Result<Option<Bytes>> {
        Ok(None)
    }
    async fn put(&self, _: &str, _: Bytes, _: Duration) -> Result<()> {
        Ok(())
    }
    async fn forget(&self, _: &str) -> Result<()> {
        Ok(())
    }
    async fn take(&self, _: &str) -> Result<Option<Bytes>> {
        Ok(None)
    }
    async fn rate(&self, key: &str, per_second: f64, burst: u32) -> Result<Option<Duration>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_hung.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.health().await?;
        let (now, step) = (Instant::now(), Duration::from_secs_f64(1.0 / per_second));
        let mut whole = self.whole.lock().unwrap();
        let at = whole.entry(key.to_owned()).or_insert(now);
        let next = (*at).max(now) + step;
        let excess = next.duration_since(now).saturating_sub(step * burst);
        if excess.is_zero() {
            *at = next;
            return Ok(None);
        }
        Ok(Some(excess))
    }
    async fn health(&self) -> Result<()> {
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(Error::unavailable("the cache is gone")),
            false => Ok(()),
        }
    }
}

pub(crate) struct Line(pub(crate) broadcast::Sender<Arc<Event>>);

#[async_trait]
impl Bus for Line {
    async fn publish(&self, event: Arc<Event>) -> Result<()> {
        self.0.send(event).map(drop).map_err(Error::internal)
    }
    async fn ask(&self, _: &str, _: sock::Request) -> Result<sock::Response> {
        Err(Error::unavailable("nobody serves here"))
    }
    async fn serve(&self, _: &str, _: Arc<dyn Serve>) -> Result<Box<dyn Send + Sync>> {
        Err(Error::unavailable("nobody serves here"))
    }
    async fn subscribe(&self, _: &Subscription, _: Arc<dyn Subscribe>) -> Result<Box<dyn Send + Sync>> {
        Err(Error::unavailable("nobody follows here"))
    }
    async fn watch(&self) -> Result<broadcast::Receiver<Arc<Event>>> {
        Ok(self.0.subscribe())
    }
    async fn health(&self) -> Result<()> {
        Ok(())
    }
    async fn served_since(&self, _: &str) -> Result<tokio::time::Instant> {
        Err(Error::unavailable("nobody serves here"))
    }
}

/// Stands still until it is set.
pub(crate) struct Hands(pub(crate) Mutex<Time>);

impl Clock for Hands {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }
}

/// Ready when every dependency named here is well.
#[derive(Default)]
pub(crate) struct Vitals(pub(crate) Mutex<Vec<Check>>);

#[async_trait]
impl Probe for Vitals {
    async fn live(&self) -> bool {
        true
    }
    async fn ready(&self) -> Vec<Check> {
        self.0.lock().unwrap().clone()
    }
    fn metrics(&self) -> String {
        "up 1\n".to_owned()
    }
}
