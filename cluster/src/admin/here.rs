//! What this node answers about itself, to its own operators' port and to other nodes alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::kernel::{Branch, Effect, Leaf, State};
use protocol::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::figures::{Counts, counts};
use super::hinder;
use super::place::{Place, kind, state};
use super::question::Question;
use super::tree::seek;
use crate::telemetry::{logs, metrics};

/// Levels of a tree in a stand: domains, what they are made of, and the live things.
const LEVELS: u32 = 3;
/// Live things that a stand lists below one place: more than anybody reads, few enough to send every second.
const CROWD: usize = 50;
/// Live things that one reading of a tree lists below one place.
const MOST: usize = 1000;

pub(crate) struct Here {
    pub(crate) node: String,
    pub(crate) tree: Arc<Branch>,
    /// Cancelled when this node begins its planned stop.
    pub(crate) drain: CancellationToken,
}

/// How a whole node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stand {
    pub(crate) node: String,
    /// "running", "draining", or what the root of its tree is.
    pub(crate) state: String,
    pub(crate) version: String,
    /// What is logged.
    pub(crate) log: String,
    pub(crate) tree: Place,
    pub(crate) domains: BTreeMap<String, Counts>,
}

/// What became of an act.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Acted {
    /// Whether an actor ran at the path.
    pub(crate) found: bool,
    pub(crate) rebuilt: u64,
    pub(crate) messages_lost: u64,
    pub(crate) requests_failed: u64,
    pub(crate) requests_finishing: u64,
    pub(crate) events_late: u64,
    /// The same for a person.
    pub(crate) effect: String,
}

impl Here {
    pub(crate) fn answer(&self, question: Question) -> Result<Value> {
        match question {
            Question::Ping => Ok(pong(&self.node)),
            Question::Stand => value(self.stand()),
            Question::Tree { path, depth } => {
                let leaf = seek(&self.tree, &path).ok_or_else(nothing)?;
                value(Place::of(leaf, if depth == 0 { u32::MAX } else { depth }, MOST))
            }
            Question::Act { path, act, rehearse } => value(self.act(&path, act.into(), rehearse)),
            Question::Hinder { path, fault, seconds } => {
                value(hinder::put(&self.tree, &path, (fault, seconds))?)
            }
            Question::Hindered { path } => value(hinder::told(&self.tree, &path)?),
            Question::Lift { path } => value(hinder::lift(&self.tree, &path)?),
            Question::Log { directives: None } => Ok(json!({"directives": logs::directives()})),
            Question::Log { directives: Some(directives) } => {
                logs::change(&directives).map_err(Error::invalid)?;
                warn!(directives, "log changed by an operator");
                Ok(json!({"directives": directives}))
            }
            Question::Drain => {
                warn!("planned stop begun by an operator");
                self.drain.cancel();
                Ok(json!({"node": self.node}))
            }
        }
    }

    fn stand(&self) -> Stand {
        let draining = self.drain.is_cancelled();
        let root = self.tree.read();
        let word = if draining && root.state == State::Running { "draining" } else { state(root.state) };
        Stand {
            node: self.node.clone(),
            state: word.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            log: logs::directives(),
            domains: here(counts(&metrics::render()), &root),
            tree: Place::of(root, LEVELS, CROWD),
        }
    }

    fn act(&self, path: &str, act: actors::kernel::Act, rehearse: bool) -> Acted {
        let path = path.trim_matches('/');
        let done = if rehearse { self.tree.effect(path, act) } else { self.tree.act(path, act) };
        let Some((of, effect)) = done else { return Acted::default() };
        let acted = acted(effect);
        if !rehearse {
            warn!(path, ?act, kind = kind(of), effect = acted.effect, "actor ended by an operator");
        }
        acted
    }
}

/// Only of domains that are in this tree: a recorder counts for all nodes of its process.
fn here(mut domains: BTreeMap<String, Counts>, root: &Leaf) -> BTreeMap<String, Counts> {
    domains.retain(|name, _| root.children.iter().any(|child| child.name == *name));
    domains
}

/// The answer to a ping.
pub(crate) fn pong(node: &str) -> Value {
    json!({"node": node})
}

fn nothing() -> Error {
    Error { message: "nothing is at this path".into(), ..Error::not_found() }
}

fn value(answer: impl Serialize) -> Result<Value> {
    serde_json::to_value(answer).map_err(Error::internal)
}

fn acted(effect: Effect) -> Acted {
    let parts = [
        (effect.rebuilt, "live thing is", "live things are", "rebuilt from what is stored"),
        (effect.messages_lost, "message", "messages", "waiting in them lost"),
        (effect.requests_failed, "request", "requests", "failed"),
        (effect.requests_finishing, "request is", "requests are", "answered first"),
        (effect.events_late, "event comes", "events come", "late"),
    ];
    Acted {
        found: true,
        rebuilt: effect.rebuilt as u64,
        messages_lost: effect.messages_lost as u64,
        requests_failed: effect.requests_failed as u64,
        requests_finishing: effect.requests_finishing as u64,
        events_late: effect.events_late as u64,
        effect: sentence(&parts, "no user notices: nothing waits there"),
    }
}

/// What happened to how many, in words; `nothing` when all counts are 0.
pub(super) fn sentence(parts: &[(usize, &str, &str, &str)], nothing: &str) -> String {
    let said: Vec<String> = parts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many, what)| format!("{count} {} {what}", if *count == 1 { one } else { many }))
        .collect();
    if said.is_empty() { nothing.to_owned() } else { said.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_a_sentence() {
        let effect = Effect { rebuilt: 1, requests_failed: 3, events_late: 1, ..Effect::default() };
        let said = "1 live thing is rebuilt from what is stored, 3 requests failed, 1 event comes late";
        assert_eq!(acted(effect).effect, said);
        assert_eq!(acted(Effect::default()).effect, "no user notices: nothing waits there");
    }
}
