//! What an operator does to one actor, and what that does to users: counted at the moment of the act.

use std::sync::Arc;

use ractor::{ActorCell, ActorStatus};

use super::super::child::Halt;
use super::super::supervisor::Msg;
use super::{Branch, Kind};

/// A live thing that ends with a reason is rebuilt: a call must not go on without its actor.
const REASON: &str = "restarted by an operator";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It ends in its own way, a pool after what it accepted, and its supervisor starts it again.
    Restart,
    /// It ends at once, in the middle of whatever it does: a failure, dealt with like a panic.
    Kill,
}

/// What waits in a domain's mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Requests that the pool has accepted and not answered. Those that wait in live things are not here.
    pub requests: usize,
    /// Events that followers have accepted and not dealt with.
    pub events: usize,
}

/// What an act does to users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Live things, such as calls, that are rebuilt from what is stored.
    pub rebuilt: usize,
    /// Messages that wait in those live things and are lost; whoever asked something with one hears so.
    pub messages_lost: usize,
    /// Requests that fail: whether they were done is unknown.
    pub requests_failed: usize,
    /// Requests that are answered first.
    pub requests_finishing: usize,
    /// Events that are taken once more, and so come late.
    pub events_late: usize,
}

impl Branch {
    /// What `act` does to users if it is done to the actor at `path` now. `None`: no actor runs there.
    pub fn effect(&self, path: &str, act: Act) -> Option<(Kind, Effect)> {
        self.running(path)?;
        let Some(branch) = self.place(path) else {
            // a live thing among many
            let (of, id) = path.rsplit_once('/')?;
            let waits = self.place(of)?.leaves().into_iter().find(|leaf| leaf.name == id)?.depth;
            let effect = Effect { rebuilt: 1, messages_lost: waits, ..Effect::default() };
            return Some((Kind::Actor, effect));
        };
        Some((branch.kind, branch.harm(act)))
    }

    /// Does it, and says what that does to users. `None`: no actor runs at `path`.
    pub fn act(&self, path: &str, act: Act) -> Option<(Kind, Effect)> {
        let effect = self.effect(path, act)?;
        let cell = self.running(path)?;
        match (act, self.place(path).and_then(|branch| branch.lock().halt.clone())) {
            (Act::Kill, _) => cell.kill(),
            (Act::Restart, Some(Halt::Ask(ask))) => ask(),
            (Act::Restart, Some(Halt::Supervisor(supervisor))) => drop(supervisor.cast(Msg::Shutdown)),
            // a loop that sees its token cancelled would take it for the end of the node
            (Act::Restart, Some(Halt::Stop | Halt::Cancel(_)) | None) => cell.stop(Some(REASON.to_owned())),
        }
        Some(effect)
    }

    pub(super) fn running(&self, path: &str) -> Option<ActorCell> {
        let ends = |status| matches!(status, ActorStatus::Stopping | ActorStatus::Stopped);
        self.find(path).filter(|cell| !ends(cell.get_status()))
    }

    /// The place itself, if it is not one live thing among many.
    pub(super) fn place(&self, path: &str) -> Option<Arc<Branch>> {
        let (head, rest) = path.split_once('/').unwrap_or((path, ""));
        let child = self.lock().children.iter().find(|child| &*child.name == head).cloned()?;
        if rest.is_empty() { Some(child) } else { child.place(rest) }
    }

    fn leaves(&self) -> Vec<super::Leaf> {
        let crowd = self.lock().crowd.clone();
        crowd.map(|(list, _)| list(usize::MAX)).unwrap_or_default()
    }

    /// The sum over this place and all below it.
    fn harm(&self, act: Act) -> Effect {
        let (children, waiting) = {
            let inner = self.lock();
            (inner.children.clone(), inner.waiting.clone())
        };
        let Waiting { requests, events } = waiting.map(|probe| probe()).unwrap_or_default();
        let leaves = self.leaves();
        let mut sum = Effect {
            rebuilt: leaves.len(),
            messages_lost: leaves.iter().map(|leaf| leaf.depth).sum(),
            ..Effect::default()
        };
        match act {
            Act::Restart => sum.requests_finishing = requests,
            Act::Kill => (sum.requests_failed, sum.events_late) = (requests, events),
        }
        children.iter().map(|child| child.harm(act)).fold(sum, Effect::and)
    }
}

impl Effect {
    fn and(self, other: Effect) -> Effect {
        Effect {
            rebuilt: self.rebuilt + other.rebuilt,
            messages_lost: self.messages_lost + other.messages_lost,
            requests_failed: self.requests_failed + other.requests_failed,
            requests_finishing: self.requests_finishing + other.requests_finishing,
            events_late: self.events_late + other.events_late,
        }
    }
}
