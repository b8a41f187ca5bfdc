//! What is told to an activeflow from outside its own node: the events of its call arrive where events are
//! followed, and that may be another one.

use std::sync::Arc;

use protocol::{Command, Context, Result, Status, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::flows::Flows;
use super::machine::{Input, Outcome};
use super::state::Turn;

/// What a call can say to its activeflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Heard {
    Start,
    Finished(Turn),
    Failed(Turn, String),
    Digit(char),
    Stop,
}

impl From<Heard> for Input {
    fn from(heard: Heard) -> Input {
        match heard {
            Heard::Start => Input::Start,
            Heard::Finished(turn) => Input::Finished { turn, outcome: Outcome::default() },
            Heard::Failed(turn, message) => Input::Failed { turn, message },
            Heard::Digit(digit) => Input::Digit(digit),
            Heard::Stop => Input::Stop,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Hear {
    pub(super) heard: Heard,
}

impl Command for Hear {
    const VERB: Verb = Verb::internal("hear");
    type Reply = ();
}

/// One that has ended, or never was, does not care.
pub(super) async fn hear(flows: Arc<Flows>, by: Context, id: Uuid, hear: Hear) -> Result<()> {
    match flows.give(&by, id, hear.heard.into()).await {
        Err(error) if matches!(error.status, Status::FailedPrecondition | Status::NotFound) => Ok(()),
        outcome => outcome.map(drop),
    }
}
