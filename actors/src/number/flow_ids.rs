//! What happens when the number is called or written to.

use std::sync::Arc;

use protocol::{Command, Context, Result, Row, Verb};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Numbers;

/// One that is left out stays as it is; the nil id takes a flow away.
#[derive(Serialize, Deserialize)]
pub(super) struct SetFlows {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call_flow_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_flow_id: Option<Uuid>,
}

impl Command for SetFlows {
    const VERB: Verb = Verb::put("flow_ids");
    type Reply = Row;
}

pub(super) async fn set_flows(
    numbers: Arc<Numbers>,
    by: Context,
    id: Uuid,
    command: SetFlows,
) -> Result<Row> {
    let wanted = [("call_flow_id", command.call_flow_id), ("message_flow_id", command.message_flow_id)];
    let patch = wanted.into_iter().filter_map(|(name, flow)| Some((name.to_owned(), json!(flow?)))).collect();
    numbers.rows().change(id, patch, "updated", &by).await
}
