//! What a node says about its own health.

use std::future::Future;
use std::sync::Arc;

use actors::kernel::{Branch, State};
use async_trait::async_trait;
use gateway::{Check, Probe};
use protocol::Result;
use protocol::ports::{Bus, Cache, Store};
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;

use crate::telemetry::figures;

/// Who asks wants to know now: a dependency that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct Health {
    pub(crate) node: String,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) tree: Arc<Branch>,
    /// Cancelled when the node begins its planned stop: from then on it is sent no work.
    pub(crate) drain: CancellationToken,
    pub(crate) metrics: fn() -> String,
}

#[async_trait]
impl Probe for Health {
    async fn live(&self) -> bool {
        self.tree.state() == State::Running
    }

    async fn ready(&self) -> Vec<Check> {
        let Health { store, cache, bus, .. } = self;
        let (store, cache, bus) =
            tokio::join!(soon(store.health()), soon(cache.health()), soon(bus.health()));
        let needed = |name: &str, fault| Check { name: name.to_owned(), fault, is_needed: true };
        // without it requests are slower; if it took nodes out of service, it would take all of them at once
        let cache = Check { is_needed: false, ..needed("cache", cache) };
        let mut all = vec![needed("store", store), cache, needed("bus", bus)];
        if self.drain.is_cancelled() {
            all.push(needed("node", Some("it is stopping as planned".to_owned())));
        }
        for child in self.tree.read().children {
            if child.state != State::Running {
                let fault = format!("{:?}: {}", child.state, child.last_error).to_lowercase();
                all.push(needed(&child.name, Some(fault)));
            }
        }
        all
    }

    fn metrics(&self) -> String {
        figures::fill(&self.node, &*self.store, &self.tree);
        (self.metrics)()
    }
}

/// What is wrong, if anything is.
async fn soon(health: impl Future<Output = Result<()>>) -> Option<String> {
    match timeout(PATIENCE, health).await {
        Ok(health) => health.err().map(|error| error.to_string()),
        Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
