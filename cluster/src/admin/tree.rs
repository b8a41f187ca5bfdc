//! The tree of actors as messages.

use std::sync::Arc;

use actors::kernel::{Branch, Kind, Leaf, State};
use futures_util::stream::{Stream, unfold};
use proto::admin::v1::{ActorKind, ActorState, TreeNode, WatchTreeResponse};
use tokio::time::{Duration, MissedTickBehavior, interval};
use tonic::Status;

/// How often a watched tree is read. Ages change all the time, so there is no moment without a change.
const EVERY: Duration = Duration::from_secs(1);

/// What is at `path` now, with `depth` levels below it (0: all).
pub(super) fn read(tree: &Branch, path: &str, depth: u32) -> Result<TreeNode, Status> {
    let leaf = seek(tree, path).ok_or_else(|| Status::not_found("nothing is at this path"))?;
    Ok(node(leaf, if depth == 0 { u32::MAX } else { depth }))
}

/// What is at `path` again and again, until nothing is there any more.
pub(super) fn watch(
    tree: Arc<Branch>,
    path: String,
    depth: u32,
) -> impl Stream<Item = Result<WatchTreeResponse, Status>> + Send {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    unfold(ticks, move |mut ticks| {
        let (tree, path) = (tree.clone(), path.clone());
        async move {
            ticks.tick().await;
            let root = read(&tree, &path, depth);
            Some((root.map(|root| WatchTreeResponse { root: Some(root) }), ticks))
        }
    })
}

pub(super) fn seek(tree: &Branch, path: &str) -> Option<Leaf> {
    let mut names = path.split('/').filter(|name| !name.is_empty());
    names.try_fold(tree.read(), |leaf, name| leaf.children.into_iter().find(|child| child.name == name))
}

fn node(leaf: Leaf, levels: u32) -> TreeNode {
    let children = match levels.checked_sub(1) {
        Some(below) => leaf.children.into_iter().map(|child| node(child, below)).collect(),
        None => Vec::new(),
    };
    TreeNode {
        name: leaf.name,
        kind: kind(leaf.kind).into(),
        state: state(leaf.state).into(),
        age_ms: u64::try_from(leaf.age.as_millis()).unwrap_or(u64::MAX),
        depth: leaf.depth as u64,
        restarts: leaf.restarts,
        last_error: leaf.last_error,
        children,
    }
}

const fn kind(kind: Kind) -> ActorKind {
    match kind {
        Kind::Supervisor => ActorKind::Supervisor,
        Kind::Pool => ActorKind::Pool,
        Kind::Live => ActorKind::Live,
        Kind::Task => ActorKind::Task,
        Kind::Actor => ActorKind::Actor,
    }
}

const fn state(state: State) -> ActorState {
    match state {
        State::Starting => ActorState::Starting,
        State::Running => ActorState::Running,
        State::Stopping => ActorState::Stopping,
        State::Stopped => ActorState::Stopped,
        State::Down => ActorState::Down,
    }
}
