//! A new public name for a flow; the old one leads nowhere from then on.

use std::sync::Arc;

use protocol::{Command, Context, Result, Row, Verb};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::FLOW;
use super::flows::Flows;
use crate::direct::api::{DIRECT, NameResource};

#[derive(Serialize, Deserialize)]
pub(super) struct RegenerateDirectHash {}

impl Command for RegenerateDirectHash {
    const VERB: Verb = Verb::post("direct-hash-regenerate");
    type Reply = Row;
}

pub(super) async fn regenerate(
    flows: Arc<Flows>,
    by: Context,
    id: Uuid,
    _: RegenerateDirectHash,
) -> Result<Row> {
    let row = flows.flow_rows().get(by.scope, id).await?;
    // the name is its customer's also when an operator asks
    let by = Context { scope: super::flows::owner(&row)?, ..by };
    let name = NameResource { resource_type: FLOW.name.into(), resource_id: id, regenerate: true };
    let hash = flows.deps.ask_all(&DIRECT, name, &by).await?.hash;
    let patch = Row::from_iter([("direct_hash".to_owned(), json!(hash))]);
    flows.flow_rows().change(id, patch, "updated", &by).await
}
