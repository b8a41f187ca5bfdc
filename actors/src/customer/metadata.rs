//! Switches of a customer that are not part of its description.

use std::sync::Arc;

use protocol::{Command, Context, Result, Row, Rule, Verb};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Customers;

/// Replaces all of them; one that is left out is off.
#[derive(Serialize, Deserialize)]
pub(super) struct SetMetadata {
    #[serde(default)]
    rtp_debug: bool,
}

impl Command for SetMetadata {
    const VERB: Verb = Verb::put("metadata").rule(Rule::Platform);
    type Reply = Row;
}

pub(super) async fn set_metadata(
    customers: Arc<Customers>,
    by: Context,
    id: Uuid,
    command: SetMetadata,
) -> Result<Row> {
    let patch = Row::from_iter([("metadata".to_owned(), json!(command))]);
    customers.rows().change(id, patch, "updated", &by).await
}
