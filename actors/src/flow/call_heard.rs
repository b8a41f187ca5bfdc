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
    flows.tell(activeflow_id, finished.into()).await
}

/// The call may not know any more what it was doing.
pub(super) async fn rebuilt(flows: Arc<Flows>, event: Arc<Event>) -> Result<()> {
    let Of { activeflow_id } = event.read()?;
    flows.tell(activeflow_id, Heard::Rebuilt).await
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
struct Of {
    activeflow_id: Uuid,
}

pub(super) async fn hangup(flows: Arc<Flows>, event: Arc<Event>) -> Result<()> {
    let Of { activeflow_id } = event.read()?;
    flows.tell(activeflow_id, Heard::Stop).await
}
