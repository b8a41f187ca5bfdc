//! All nodes as messages, once or again and again.

use futures_util::stream::{Stream, unfold};
use proto::admin::v1::{Node, WatchClusterResponse};
use tokio::time::{Duration, MissedTickBehavior, interval};
use tonic::Status;

use super::message;
use super::nodes::Nodes;
use super::picture::Watcher;

/// How often all nodes are asked for a watch.
pub(crate) const EVERY: Duration = Duration::from_secs(2);

/// Every node, and the name of the one that was asked.
pub(super) async fn read(nodes: &Nodes) -> (Vec<Node>, String) {
    let seen = Watcher::new(nodes.clone()).look().await;
    (seen.into_iter().map(message::node).collect(), nodes.here.node.clone())
}

pub(super) fn watch(nodes: Nodes) -> impl Stream<Item = Result<WatchClusterResponse, Status>> + Send {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let asked = nodes.here.node.clone();
    unfold((Watcher::new(nodes), ticks), move |(mut watcher, mut ticks)| {
        let asked = asked.clone();
        async move {
            ticks.tick().await;
            let nodes = watcher.look().await.into_iter().map(message::node).collect();
            Some((Ok(WatchClusterResponse { nodes, asked }), (watcher, ticks)))
        }
    })
}
