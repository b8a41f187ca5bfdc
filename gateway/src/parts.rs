//! What the gateway is given by the node it runs in.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use protocol::ports::{Bus, Cache, Clock, Dispatch};
use protocol::{Catalog, Result};

/// How a dependency of the node is.
#[derive(Clone, Debug)]
pub struct Check {
    pub name: String,
    /// What is wrong with it.
    pub fault: Option<String>,
    /// Without it this node cannot do its work, and another one should be asked. What is not needed is named
    /// too, but an outage of it must not take every node out of service.
    pub is_needed: bool,
}

/// What the node knows about itself.
#[async_trait]
pub trait Probe: Send + Sync {
    /// May the process go on? Never asks a dependency: an outage of the database must not end calls.
    async fn live(&self) -> bool;
    /// Each dependency, soon: one that hangs is one with a fault.
    async fn ready(&self) -> Vec<Check>;
    /// Everything measured, in Prometheus' text format.
    fn metrics(&self) -> String;
}

/// The ports that requests go through, and nothing behind them.
#[derive(Clone)]
pub struct Parts {
    pub peers: Arc<dyn Dispatch>,
    /// Set once all domains are known; requests before that are answered 503.
    pub catalog: Arc<OnceLock<Catalog>>,
    pub cache: Arc<dyn Cache>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub probe: Arc<dyn Probe>,
    /// Makes a request's span a part of the trace that its client began: its `traceparent`.
    pub adopt: fn(&tracing::Span, &str),
}

impl Parts {
    pub(crate) fn catalog(&self) -> Result<&Catalog> {
        self.catalog.get().ok_or_else(crate::route::starting)
    }
}
