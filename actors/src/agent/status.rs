//! The status that an agent chooses. It holds at once, whatever calls there are.

use std::sync::Arc;

use protocol::{Command, Context, Result, Row, Rule, Verb};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{AGENT, Agents};

#[derive(Serialize, Deserialize)]
pub(super) struct SetStatus {
    status: String,
}

impl Command for SetStatus {
    const VERB: Verb = Verb::put("status").rule(Rule::Own);
    type Reply = Row;
}

/// Calls known until now are forgotten: a status that went wrong is put right by choosing one.
pub(super) async fn set_status(
    agents: Arc<Agents>,
    by: Context,
    id: Uuid,
    command: SetStatus,
) -> Result<Row> {
    let mut patch = AGENT.pick(&json!(command), |field| field.name == "status")?;
    patch.insert("chosen_status".into(), json!(command.status));
    patch.insert("calls".into(), json!({}));
    agents.rows().change(id, patch, "status_updated", &by).await
}
