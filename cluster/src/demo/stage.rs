//! The nodes that the demo runs: one with everything, or three that share a database, a cache and a broker.

use std::net::SocketAddr;
use std::path::Path;

use protocol::{Error, Result};
use tokio::time::Duration;

use super::places::Places;
use crate::{Node, Plan, Welcome, first};

const STOP: Duration = Duration::from_secs(5);
/// What each of three nodes serves. In this order they start: nobody waits for one that is not there yet.
const ROLES: [(&str, &[&str]); 3] = [
    (
        "platform",
        &[
            "agent",
            "billing",
            "customer",
            "direct",
            "flow",
            "idempotency",
            "number",
            "registrar",
            "route",
            "sentinel",
            "tag",
            "timeline",
            "tts",
            "webhook",
        ],
    ),
    ("call", &["call"]),
    ("gateway", &["gateway"]),
];

/// Where three nodes meet.
#[derive(Clone, Debug)]
pub struct Shared {
    pub store: String,
    pub cache: String,
    pub bus: String,
}

/// The last one serves HTTP.
pub(super) struct Stage(Vec<Node>);

impl Stage {
    pub(super) async fn set(places: &Places, receiver: SocketAddr, shared: Option<&Shared>) -> Result<Stage> {
        let plan = places.plan(receiver);
        let mut stage = Stage(Vec::new());
        let Some(shared) = shared else {
            println!("Starting a node in {}", places.folder.display());
            stage.0.push(Node::start(plan).await?);
            return Ok(stage);
        };
        for (name, serves) in ROLES {
            println!("Starting the node {name}, which serves {}", serves.join(", "));
            match Node::start(part(&plan, name, serves, shared)).await {
                Ok(node) => stage.0.push(node),
                Err(error) => {
                    stage.clear().await;
                    return Err(error);
                }
            }
        }
        Ok(stage)
    }

    pub(super) fn front(&self) -> Result<&Node> {
        self.0.last().ok_or_else(|| Error::internal("nothing is on stage"))
    }

    /// The first user, made by the node that has the users.
    pub(super) async fn welcome(&self, folder: &Path) -> Result<Welcome> {
        let home = self.0.first().ok_or_else(|| Error::internal("nothing is on stage"))?;
        let welcome = first::welcome(&home.deps, folder).await?;
        welcome.ok_or_else(|| Error::invalid("the demo's database is not empty; give it an empty one"))
    }

    pub(super) async fn clear(self) {
        for node in self.0.into_iter().rev() {
            node.stop(STOP).await;
        }
    }
}

/// One of three nodes. The folder, and so the keys, are common to all; the demo's ports are those of the nodes
/// that need them.
fn part(whole: &Plan, name: &str, serves: &[&str], shared: &Shared) -> Plan {
    let mut plan = whole.clone();
    plan.settings.node = format!("demo-{name}");
    plan.serve = serves.iter().map(ToString::to_string).collect();
    plan.store.clone_from(&shared.store);
    plan.cache.clone_from(&shared.cache);
    plan.bus.clone_from(&shared.bus);
    if !serves.contains(&"call") {
        plan.voice = voice::Settings::default();
    }
    if !serves.contains(&"gateway") {
        plan.admin.set_port(0);
    }
    plan
}
