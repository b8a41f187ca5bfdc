//! What a node says about its own health.

use std::future::Future;
use std::sync::Arc;

use actors::kernel::{Branch, State};
use async_trait::async_trait;
use gateway::{Check, Probe};
use protocol::Result;
use protocol::ports::Deps;
use tokio::time::{Duration, timeout};

use crate::telemetry::figures;

/// Who asks wants to know now: a dependency that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct Health {
    pub(crate) deps: Deps,
    pub(crate) tree: Arc<Branch>,
    pub(crate) metrics: fn() -> String,
}

#[async_trait]
impl Probe for Health {
    async fn live(&self) -> bool {
        self.tree.state() == State::Running
    }

    async fn ready(&self) -> Vec<Check> {
        let Deps { store, cache, bus, .. } = &self.deps;
        let (store, cache, bus) =
            tokio::join!(soon(store.health()), soon(cache.health()), soon(bus.health()));
        let needed = |name: &str, fault| Check { name: name.to_owned(), fault, is_needed: true };
        // without it requests are slower; if it took nodes out of service, it would take all of them at once
        let cache = Check { is_needed: false, ..needed("cache", cache) };
        let mut all = vec![needed("store", store), cache, needed("bus", bus)];
        for child in self.tree.read().children {
            if child.state != State::Running {
                let fault = format!("{:?}: {}", child.state, child.last_error).to_lowercase();
                all.push(needed(&child.name, Some(fault)));
            }
        }
        all
    }

    fn metrics(&self) -> String {
        figures::fill(&self.deps, &self.tree);
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
