//! What a node says about its own health.

use std::sync::Arc;

use actors::kernel::{Branch, State};
use async_trait::async_trait;
use gateway::Probe;
use protocol::ports::Deps;

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

    async fn ready(&self) -> Vec<(String, Result<(), String>)> {
        let (store, cache, bus) =
            tokio::join!(self.deps.store.health(), self.deps.cache.health(), self.deps.bus.health());
        let said =
            |name: &str, health: protocol::Result<()>| (name.to_owned(), health.map_err(|e| e.to_string()));
        let mut all = vec![said("store", store), said("cache", cache), said("bus", bus)];
        for child in self.tree.read().children {
            if child.state != State::Running {
                all.push((
                    child.name,
                    Err(format!("{:?}: {}", child.state, child.last_error).to_lowercase()),
                ));
            }
        }
        all
    }

    fn metrics(&self) -> String {
        (self.metrics)()
    }
}
