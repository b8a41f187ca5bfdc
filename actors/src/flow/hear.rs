//! What is told to an activeflow from outside its own node: the events of its call arrive where events are
//! followed, and that may be another one.

use std::sync::Arc;

use protocol::{Command, Context, Result, Status, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::flows::Flows;
use super::machine::{Input, Outcome};
use super::run::{Msg, Reply};
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
    /// Its actor was rebuilt: what it was told to do is to be said again.
    Rebuilt,
    Stop,
}

impl Heard {
    pub(super) fn message(self, reply: Reply) -> Msg {
        let input = match self {
            Heard::Start => Input::Start,
            Heard::Finished(turn) => Input::Finished { turn, outcome: Outcome::default() },
            Heard::Failed(turn, message) => Input::Failed { turn, message },
            Heard::Digit(digit) => Input::Digit(digit),
            Heard::Rebuilt => return Msg::Again(reply),
            Heard::Stop => Input::Stop,
        };
        Msg::Asked(input, reply)
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

/// Tells an activeflow what happened. Answered when that is stored; one that has ended, or never was, does not care.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hear {
    pub(super) heard: Heard,
}

impl From<Finished> for Hear {
    fn from(finished: Finished) -> Hear {
        Hear { heard: finished.into() }
    }
}

impl Command for Hear {
    const VERB: Verb = Verb::internal("hear");
    type Reply = ();
}

pub(super) async fn hear(flows: Arc<Flows>, by: Context, id: Uuid, hear: Hear) -> Result<()> {
    let heard = async {
        flows.rows().look(by.scope, id).await?;
        flows.ask(&by, id, |reply| hear.heard.message(reply)).await
    };
    match heard.await {
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
