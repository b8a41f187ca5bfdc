//! Figures that are read when somebody asks for them, and those that are looked up every few seconds.
//!
//! There is one recorder in a process: with several nodes in it, what is shown is the node that was asked last.

use actors::kernel::{Branch, Kind, Leaf, State};
use metrics::gauge;
use protocol::ports::{Clock as _, Deps, Store, SystemClock};
use protocol::time;
use tokio::time::{Duration, timeout};

/// A dependency that takes longer is as good as away. Less than the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(2);
/// Whoever is so far behind is too far behind to be counted exactly.
const MOST: u32 = 100_000;
/// What the supervisors of domains are called.
const DOMAIN: &str = "-manager";

/// What is known without asking anybody.
pub(crate) fn fill(node: &str, store: &dyn Store, tree: &Branch) {
    let load = store.load();
    gauge!("store_connections_busy").set(load.busy as f64);
    gauge!("store_connections_idle").set(load.idle as f64);
    gauge!("store_connections_max").set(load.most as f64);
    gauge!("store_writer_queue").set(load.waiting as f64);
    let (node, version) = (node.to_owned(), env!("CARGO_PKG_VERSION"));
    gauge!("node_info", "node" => node, "version" => version).set(1);
    for leaf in tree.read().children.iter().filter(|leaf| leaf.name.ends_with(DOMAIN)) {
        domain(leaf);
    }
}

fn domain(leaf: &Leaf) {
    let is_up = leaf.state == State::Running;
    gauge!("domain_up", "domain" => leaf.name.clone()).set(f64::from(u8::from(is_up)));
    for child in &leaf.children {
        let domain = leaf.name.clone();
        match child.kind {
            Kind::Pool => gauge!("domain_credits_in_use", "domain" => domain).set(child.depth as f64),
            Kind::Live => {
                gauge!("live_things", "domain" => domain, "kind" => child.name.clone())
                    .set(child.depth as f64);
            }
            Kind::Supervisor | Kind::Task | Kind::Actor => {}
        }
    }
}

/// What has to be asked for.
pub(super) async fn look(deps: &Deps) {
    let Deps { store, cache, bus, .. } = deps;
    let (store_up, cache_up, bus_up, backlog) = tokio::join!(
        timeout(PATIENCE, store.health()),
        timeout(PATIENCE, cache.health()),
        timeout(PATIENCE, bus.health()),
        timeout(PATIENCE, store.backlog(MOST)),
    );
    for (name, health) in [("store", store_up), ("cache", cache_up), ("bus", bus_up)] {
        let is_up = matches!(health, Ok(Ok(())));
        gauge!("dependency_up", "dependency" => name).set(f64::from(u8::from(is_up)));
    }
    // what a store that is away holds, nobody knows
    if let Ok(Ok((count, oldest))) = backlog {
        let since = oldest.and_then(|event| time::parse(&event.time));
        let age = since.and_then(|since| (SystemClock.now() - since).to_std().ok()).unwrap_or_default();
        gauge!("outbox_undelivered").set(count as f64);
        gauge!("outbox_oldest_seconds").set(age.as_secs_f64());
    }
}
