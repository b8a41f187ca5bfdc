//! What is told to an activeflow from outside its own node: the events of its call arrive where events are
//! followed, and that may be another one.

use std::sync::Arc;

use protocol::{Command, Context, Result, Status, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::flows::Flows;
use super::machine::{Input, Outcome};
use super::state::Turn;
use crate::call::api::Finished;

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

impl From<Finished> for Heard {
    fn from(Finished { turn, error }: Finished) -> Heard {
        match error.is_empty() {
            true => Heard::Finished(turn),
            false => Heard::Failed(turn, error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_the_report_is_a_failure_of_that_turn() {
        let turn = Turn { action_id: Uuid::max(), number: 7 };
        for (error, expected) in
            [("", Heard::Finished(turn)), ("no sound", Heard::Failed(turn, "no sound".to_owned()))]
        {
            assert_eq!(Heard::from(Finished { turn, error: error.to_owned() }), expected);
        }
    }
}
