//! What a call reports while its activeflow runs. Each word is stored before it counts as heard; what comes
//! twice or too late changes nothing.

use std::sync::Arc;

use protocol::{Event, Result};
use serde::Deserialize;
use uuid::Uuid;

use super::flows::Flows;
use super::hear::Heard;
use crate::call::api::Finished;

#[derive(Deserialize)]
struct Told {
    activeflow_id: Uuid,
    finished: Finished,
}

pub(super) async fn action_finished(flows: Arc<Flows>, event: Arc<Event>) -> Result<()> {
    let Told { activeflow_id, finished } = event.read()?;
    flows.tell(activeflow_id, heard(finished)).await
}

fn heard(Finished { turn, error }: Finished) -> Heard {
    match error.is_empty() {
        true => Heard::Finished(turn),
        false => Heard::Failed(turn, error),
    }
}

#[derive(Deserialize)]
struct Pressed {
    activeflow_id: Uuid,
    digit: String,
}

pub(super) async fn dtmf_received(flows: Arc<Flows>, event: Arc<Event>) -> Result<()> {
    let Pressed { activeflow_id, digit } = event.read()?;
    match digit.chars().next() {
        Some(digit) => flows.tell(activeflow_id, Heard::Digit(digit)).await,
        None => Ok(()),
    }
}

#[derive(Deserialize)]
struct Gone {
    activeflow_id: Uuid,
}

pub(super) async fn hangup(flows: Arc<Flows>, event: Arc<Event>) -> Result<()> {
    let Gone { activeflow_id } = event.read()?;
    flows.tell(activeflow_id, Heard::Stop).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::state::Turn;

    #[test]
    fn an_error_in_the_report_is_a_failure_of_that_turn() {
        let turn = Turn { action_id: Uuid::max(), number: 7 };
        for (error, expected) in
            [("", Heard::Finished(turn)), ("no sound", Heard::Failed(turn, "no sound".to_owned()))]
        {
            assert_eq!(heard(Finished { turn, error: error.to_owned() }), expected);
        }
    }
}
