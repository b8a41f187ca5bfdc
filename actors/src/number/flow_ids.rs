//! What happens when the number is called or written to.

use std::sync::Arc;

use protocol::{Command, Context, Result, Row, Verb};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NUMBER, Numbers};

/// One that is left out stays as it is; the nil id and an empty one take a flow away.
#[derive(Serialize, Deserialize)]
pub(super) struct SetFlows {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call_flow_id: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_flow_id: Option<Value>,
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
    let patch = NUMBER.pick(&json!(command), |field| field.of == Some("flow"))?;
    numbers.rows().change(id, patch, "updated", &by).await
}
