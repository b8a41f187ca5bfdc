//! `GET /timelines/{resource_type}/{resource_id}/events`: the story of one resource.

use std::sync::Arc;

use protocol::ports::{Deps, Filter};
use protocol::{Command, Context, Error, Reply, Result, Verb};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::story;

#[derive(Serialize, Deserialize)]
pub(super) struct ListEvents {
    /// The path of the resource: `calls`.
    resource_type: String,
    resource_id: Uuid,
    #[serde(default)]
    page_size: Option<i64>,
    #[serde(default)]
    page_token: Option<String>,
}

impl Command for ListEvents {
    const VERB: Verb = Verb::get("events").reply(Reply::Document);
    type Reply = Value;
}

pub(super) async fn list(deps: Arc<Deps>, by: Context, command: ListEvents) -> Result<Value> {
    let entry = deps.catalog()?.at(&command.resource_type);
    let entry = entry.ok_or_else(|| Error::invalid("resource_type must be the path of a resource"))?;
    let filter =
        Filter::by("resource_id", json!(command.resource_id)).and("resource_type", entry.resource.name);
    let page = story::page(command.page_size, command.page_token.as_deref())?;
    story::tell(&deps, by.scope, filter, page).await
}
