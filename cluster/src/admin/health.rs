//! What gRPC health checks hear: "" is the node, a domain's name (`call-manager`) that domain.

use std::collections::HashMap;
use std::sync::Arc;

use actors::kernel::State;
use tokio::time::{Duration, interval};
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::here::Here;

/// How late a change may be seen. Probes ask every few seconds.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps the reported states up to date until the server stops; then nobody hears anything any more.
pub(super) async fn report(here: Arc<Here>, mut reporter: HealthReporter, stop: CancellationToken) {
    let mut said: HashMap<String, State> = HashMap::new();
    let mut ticks = interval(EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        for (name, state) in states(&here) {
            // watchers hear of every report, changed or not
            if said.insert(name.clone(), state) != Some(state) {
                reporter.set_service_status(name, status(state)).await;
            }
        }
    }
    // a watcher's stream ends with its service; one that stayed open would hold up the stop
    for name in said.keys() {
        reporter.clear_service_status(name).await;
    }
}

/// A node that stops as planned is still a node, but its domains are asked no more.
fn states(here: &Here) -> Vec<(String, State)> {
    let root = here.tree.read();
    let state = |state| if here.drain.is_cancelled() { State::Stopping } else { state };
    let children = root.children.into_iter().map(|child| (child.name, state(child.state)));
    children.chain([(String::new(), root.state)]).collect()
}

const fn status(state: State) -> ServingStatus {
    match state {
        State::Running => ServingStatus::Serving,
        State::Starting | State::Stopping | State::Stopped | State::Down => ServingStatus::NotServing,
    }
}
