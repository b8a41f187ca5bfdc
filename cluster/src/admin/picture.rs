//! The whole installation at one moment: every node with its tree and the paces of its domains.

use std::collections::BTreeMap;

use protocol::Result;
use serde::Serialize;
use tokio::time::Instant;

use super::figures::{Counts, Pace, Paces};
use super::here::Stand;
use super::nodes::Nodes;
use super::place::Place;
use super::question::Question;

/// What a node that does not answer is shown as.
const SILENT: &str = "no answer";

/// One node as operators see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Seen {
    pub(crate) node: String,
    /// "running", "draining", "starting", "no answer" and so on.
    pub(crate) state: String,
    /// Why there is no answer.
    pub(crate) error: String,
    pub(crate) version: String,
    pub(crate) log: String,
    pub(crate) tree: Option<Place>,
    pub(crate) domains: BTreeMap<String, Pace>,
}

/// Looks again and again, and so knows rates.
pub(crate) struct Watcher {
    nodes: Nodes,
    paces: Paces,
}

impl Watcher {
    pub(crate) fn new(nodes: Nodes) -> Self {
        Watcher { nodes, paces: Paces::default() }
    }

    pub(crate) async fn look(&mut self) -> Vec<Seen> {
        let answers = self.nodes.ask_all::<Stand>(&Question::Stand).await;
        let at = Instant::now();
        answers.into_iter().map(|(node, answer)| self.seen(node, answer, at)).collect()
    }

    fn seen(&mut self, node: String, answer: Result<Stand>, at: Instant) -> Seen {
        match answer {
            Ok(stand) => {
                let pace = |(domain, counts): (String, Counts)| {
                    let pace = self.paces.pace(&node, &domain, &counts, at);
                    (domain, pace)
                };
                Seen {
                    domains: stand.domains.into_iter().map(pace).collect(),
                    node,
                    state: stand.state,
                    error: String::new(),
                    version: stand.version,
                    log: stand.log,
                    tree: Some(stand.tree),
                }
            }
            Err(error) => Seen {
                node,
                state: SILENT.to_owned(),
                error: error.message,
                version: String::new(),
                log: String::new(),
                tree: None,
                domains: BTreeMap::new(),
            },
        }
    }
}
