//! A place of a tree of actors as it crosses between nodes, and as a message for operators.

use actors::kernel::{Kind, Leaf, State};
use proto::admin::v1::{ActorKind, ActorState, TreeNode};
use serde::{Deserialize, Serialize};

use super::hinder;

/// One place and what is below it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) age_ms: u64,
    pub(crate) depth: u64,
    pub(crate) restarts: u64,
    pub(crate) last_error: String,
    /// The fault that stands before its mailbox, for a person.
    #[serde(default)]
    pub(crate) fault: String,
    pub(crate) children: Vec<Place>,
    /// Children that are there and not listed.
    #[serde(default)]
    pub(crate) more: u64,
}

impl Place {
    /// What is below `leaf`, `levels` deep, and of each place at most `most` children.
    pub(crate) fn of(leaf: Leaf, levels: u32, most: usize) -> Place {
        let all = leaf.children.len();
        let below = levels.checked_sub(1);
        let children: Vec<_> = leaf
            .children
            .into_iter()
            .take(if below.is_some() { most } else { 0 })
            .map(|child| Place::of(child, below.unwrap_or_default(), most))
            .collect();
        Place {
            name: leaf.name,
            kind: kind(leaf.kind).to_owned(),
            state: state(leaf.state).to_owned(),
            age_ms: u64::try_from(leaf.age.as_millis()).unwrap_or(u64::MAX),
            depth: leaf.depth as u64,
            restarts: leaf.restarts,
            last_error: leaf.last_error,
            fault: leaf.fault.as_ref().map(hinder::standing).unwrap_or_default(),
            more: (all - children.len()) as u64,
            children,
        }
    }
}

impl From<Place> for TreeNode {
    fn from(place: Place) -> Self {
        TreeNode {
            kind: named(&place.kind, "ACTOR_KIND_", ActorKind::from_str_name).into(),
            state: named(&place.state, "ACTOR_STATE_", ActorState::from_str_name).into(),
            name: place.name,
            age_ms: place.age_ms,
            depth: place.depth,
            restarts: place.restarts,
            last_error: place.last_error,
            fault: place.fault,
            children: place.children.into_iter().map(TreeNode::from).collect(),
        }
    }
}

/// A node of a later version may know words that this one does not.
fn named<T: Default>(word: &str, prefix: &str, parse: fn(&str) -> Option<T>) -> T {
    parse(&format!("{prefix}{}", word.to_ascii_uppercase())).unwrap_or_default()
}

pub(super) const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Supervisor => "supervisor",
        Kind::Pool => "pool",
        Kind::Live => "live",
        Kind::Task => "task",
        Kind::Actor => "actor",
    }
}

pub(super) const fn state(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Running => "running",
        State::Stopping => "stopping",
        State::Stopped => "stopped",
        State::Down => "down",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn leaf(name: &str, children: Vec<Leaf>) -> Leaf {
        Leaf {
            name: name.into(),
            kind: Kind::Live,
            state: State::Down,
            age: Duration::from_secs(1),
            depth: 3,
            restarts: 2,
            last_error: "lost".into(),
            fault: None,
            children,
        }
    }

    #[test]
    fn a_place_says_how_many_it_does_not_list() {
        let crowd = leaf("calls", vec![leaf("1", vec![]), leaf("2", vec![]), leaf("3", vec![])]);
        let place = Place::of(crowd.clone(), 1, 2);
        assert_eq!((place.children.len(), place.more), (2, 1));
        let alone = Place::of(crowd, 0, 2);
        assert_eq!((alone.children.len(), alone.more), (0, 3));
    }

    #[test]
    fn a_place_is_the_same_as_a_message() {
        let node = TreeNode::from(Place::of(leaf("calls", vec![]), 1, 10));
        assert_eq!((node.kind(), node.state()), (ActorKind::Live, ActorState::Down));
        assert_eq!((node.age_ms, node.depth, node.restarts), (1000, 3, 2));
    }
}
