//! Two nodes that share a broker and nothing else: each serves its domains to the other.

use std::collections::BTreeSet;
use std::time::Duration;

use cluster::Node;
use cluster::bus::memory::Broker;

use crate::platform::{Platform, plan};

/// What the other node serves.
const AFAR: [&str; 2] = ["tag-manager", "timeline-manager"];

pub(crate) struct Pair {
    pub(crate) far: Node,
    pub(crate) folder: std::path::PathBuf,
    pub(crate) near: Platform,
    pub(crate) broker: Broker,
}

/// A node that serves only [`AFAR`], in a folder of its own.
pub(crate) async fn far(broker: &Broker, folder: &std::path::Path) -> Node {
    let mut plan = plan(folder.to_owned());
    plan.settings.node = "far".into();
    plan.serve = AFAR.map(String::from).to_vec();
    plan.broker = broker.clone();
    Node::start(plan).await.unwrap()
}

impl Pair {
    pub(crate) async fn start() -> Pair {
        let broker = Broker::default();
        let folder = std::env::temp_dir().join(format!("branchline-far-{}", uuid::Uuid::now_v7()));
        let far = far(&broker, &folder).await;
        assert!(far.gateway.is_none());
        let domains: BTreeSet<&str> = far.deps.catalog().unwrap().entries.iter().map(|e| e.domain).collect();
        let others = domains.into_iter().filter(|name| !AFAR.contains(name)).chain(["gateway"]);
        let serve: Vec<String> = others.map(String::from).collect();
        let shared = broker.clone();
        let near = Platform::with(|plan| {
            plan.settings.node = "near".into();
            plan.serve = serve;
            plan.broker = shared;
        })
        .await;
        Pair { far, folder, near, broker }
    }

    pub(crate) async fn stop(self) {
        self.near.stop().await;
        self.far.stop(Duration::from_secs(5)).await;
        let _ = std::fs::remove_dir_all(self.folder);
    }
}
