//! One tree of actors, read once or again and again.

use actors::kernel::{Branch, Leaf};
use futures_util::stream::{Stream, unfold};
use proto::admin::v1::{TreeNode, WatchTreeResponse};
use protocol::Result;
use tokio::time::{Duration, MissedTickBehavior, interval};
use tonic::Status;

use super::nodes::Nodes;
use super::place::Place;
use super::question::Question;
use super::refusal::refusal;

/// How often a watched tree is read. Ages change all the time, so there is no moment without a change.
const EVERY: Duration = Duration::from_secs(1);

/// What is at `path` of a node now, with `depth` levels below it (0: all).
pub(super) async fn read(nodes: &Nodes, node: &str, path: &str, depth: u32) -> Result<TreeNode> {
    let question = Question::Tree { path: path.to_owned(), depth };
    Ok(nodes.ask::<Place>(node, &question).await?.into())
}

/// What is at `path` again and again, until nothing is there any more.
pub(super) fn watch(
    nodes: Nodes,
    node: String,
    (path, depth): (String, u32),
) -> impl Stream<Item = Result<WatchTreeResponse, Status>> + Send {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    unfold(ticks, move |mut ticks| {
        let (nodes, node, path) = (nodes.clone(), node.clone(), path.clone());
        async move {
            ticks.tick().await;
            let root = read(&nodes, &node, &path, depth).await.map_err(refusal);
            Some((root.map(|root| WatchTreeResponse { root: Some(root) }), ticks))
        }
    })
}

pub(super) fn seek(tree: &Branch, path: &str) -> Option<Leaf> {
    let mut names = path.split('/').filter(|name| !name.is_empty());
    names.try_fold(tree.read(), |leaf, name| leaf.children.into_iter().find(|child| child.name == name))
}
