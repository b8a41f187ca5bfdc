//! Stopping activeflows from outside. What they were doing is not waited for; a call ends with its flow.

use std::sync::Arc;

use protocol::{Command, Context, Error, Result, Row, Status, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::flows::Flows;
use super::machine::Input;

#[derive(Serialize, Deserialize)]
pub(super) struct Stop {}

impl Command for Stop {
    const VERB: Verb = Verb::post("stop");
    type Reply = Row;
}

/// One that has ended is answered as it is.
pub(super) async fn stop(flows: Arc<Flows>, by: Context, id: Uuid, _: Stop) -> Result<Row> {
    match flows.give(&by, id, Input::Stop).await {
        Err(error) if has_ended(&error) => flows.rows().get(by.scope, id).await,
        outcome => outcome,
    }
}

pub(super) async fn delete(flows: Arc<Flows>, by: Context, id: Uuid) -> Result<Row> {
    match flows.give(&by, id, Input::Stop).await {
        Err(error) if !has_ended(&error) => Err(error),
        Ok(_) | Err(_) => flows.rows().delete(id, &by).await,
    }
}

fn has_ended(error: &Error) -> bool {
    error.status == Status::FailedPrecondition
}
