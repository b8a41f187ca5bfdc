//! What follows the end of an activeflow: the flow that it names, and the end of a call that it was for.

use std::sync::Arc;

use protocol::ports::Unit;
use protocol::{Event, Result, Row, Status, read};
use serde::Deserialize;
use uuid::Uuid;

use super::action::Media;
use super::begin::{Birth, Sources};
use super::flows::Flows;
use super::run::Subject;
use super::state::State;
use crate::call::api::{CALL, EndCall, Reason};

impl Flows {
    /// Adds the activeflow that follows to the unit that ends this one: there is never none and never two.
    pub(super) async fn follow_up(
        &self,
        unit: &mut Unit,
        of: &Subject,
        last: &State,
    ) -> Result<Option<(Row, State)>> {
        if of.on_complete_flow_id.is_nil() {
            return Ok(None);
        }
        let Some(complete_count) = last.variables().next_complete_count() else {
            tracing::info!(activeflow = %of.id, "too many flows followed one another");
            return Ok(None);
        };
        let by = of.by();
        let program = match self.program(by.scope, of.on_complete_flow_id).await {
            Err(error) if error.status == Status::NotFound => return Ok(None),
            program => program?,
        };
        let birth = Birth {
            id: Uuid::now_v7(),
            program,
            reference_type: of.reference_type.clone(),
            reference_id: of.reference_id,
            reference_activeflow_id: of.id,
            media: offered(&of.reference_type),
            waits: false,
            complete_count,
            variables: Sources { before: Some(last.variables().clone()), ..Sources::default() },
            columns: Row::new(),
        };
        self.draft(unit, birth, &by).map(Some)
    }
}

/// A call ends with its own flow, so it offers nothing to the one that follows.
fn offered(reference_type: &str) -> Media {
    match Media::of_reference(reference_type) {
        Media::Rtc => Media::Any,
        other @ (Media::Any | Media::NonRtc) => other,
    }
}

#[derive(Deserialize)]
struct Ended {
    id: Uuid,
    reference_id: Uuid,
}

#[derive(Deserialize)]
struct Call {
    activeflow_id: Uuid,
    status: String,
}

pub(super) fn is_of_a_call(event: &Event) -> bool {
    let says = |name: &str, value: &str| event.data.get(name).is_some_and(|said| said == value);
    says("status", "ended") && says("reference_type", "call")
}

/// A call whose flow has ended has nothing more to say.
pub(super) async fn hang_up(flows: Arc<Flows>, event: Arc<Event>) -> Result<()> {
    let ended: Ended = event.read()?;
    let by = super::flows::on_behalf(&event)?;
    const COLUMNS: &[&str] = &["activeflow_id", "status"];
    let call: Call = match flows.deps.peers.part(&CALL, ended.reference_id, COLUMNS, &by).await {
        Ok(call) => read(&call)?,
        Err(error) if error.status == Status::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if call.activeflow_id != ended.id || call.status == "hangup" {
        return Ok(());
    }
    flows.deps.ask(&CALL, ended.reference_id, EndCall { reason: Reason::Normal }, &by).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_call_does_not_talk_to_it() {
        for (reference, expected) in
            [("call", Media::Any), ("api", Media::NonRtc), ("conversation", Media::NonRtc), ("", Media::Any)]
        {
            assert_eq!(offered(reference), expected, "{reference}");
        }
    }
}
