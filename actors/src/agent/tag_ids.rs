//! The tags of an agent.

use std::sync::Arc;

use protocol::{Command, Context, Error, Result, Row, Verb};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Agents;

/// Tags of one agent.
const MOST: usize = 100;

pub(super) fn check(value: &Value) -> Result<()> {
    match Vec::<Uuid>::deserialize(value) {
        Ok(ids) if ids.len() <= MOST => Ok(()),
        Ok(_) => Err(Error::invalid(format!("must not have more than {MOST} entries"))),
        Err(_) => Err(Error::invalid("must be a list of UUIDs")),
    }
}

/// The list is replaced as a whole.
#[derive(Serialize, Deserialize)]
pub(super) struct SetTags {
    tag_ids: Vec<Uuid>,
}

impl Command for SetTags {
    const VERB: Verb = Verb::put("tag_ids");
    type Reply = Row;
}

pub(super) async fn set_tags(agents: Arc<Agents>, by: Context, id: Uuid, command: SetTags) -> Result<Row> {
    let tags = json!(command.tag_ids);
    check(&tags).map_err(|error| Error::invalid(format!("tag_ids {}", error.message)))?;
    agents.rows().change(id, Row::from_iter([("tag_ids".to_owned(), tags)]), "updated", &by).await
}
