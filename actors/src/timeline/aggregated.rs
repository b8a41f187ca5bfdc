//! `GET /aggregated-events`: the story of one run of a flow, across all resources that took part.

use std::sync::Arc;

use protocol::ports::{Deps, Filter};
use protocol::{Command, Context, Error, Reply, Result, Scope, Verb, read};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{rows, story};

#[derive(Serialize, Deserialize)]
pub(super) struct ListAggregated {
    #[serde(default)]
    activeflow_id: Option<Uuid>,
    /// Instead of it: any call of the run.
    #[serde(default)]
    call_id: Option<Uuid>,
    #[serde(default)]
    page_size: Option<i64>,
    #[serde(default)]
    page_token: Option<String>,
}

impl Command for ListAggregated {
    const VERB: Verb = Verb::get("aggregated").reply(Reply::Document);
    type Reply = Value;
}

/// A call passes through a few runs at most; the newest event that names one is among its latest.
const LATEST: u32 = 100;

pub(super) async fn list(deps: Arc<Deps>, by: Context, command: ListAggregated) -> Result<Value> {
    let page = story::page(command.page_size, command.page_token.as_deref())?;
    let run = match (command.activeflow_id, command.call_id) {
        (Some(run), None) => run,
        (None, Some(call)) => run_of(&deps, by.scope, call).await?,
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::invalid("give either activeflow_id or call_id"));
        }
    };
    // "no run" is the nil id in rows of all kinds: it is no run's
    if run.is_nil() {
        return Err(Error::not_found());
    }
    story::tell(&deps, by.scope, Filter::by("activeflow_id", json!(run)), page).await
}

#[derive(Deserialize)]
struct Noted {
    activeflow_id: Uuid,
}

async fn run_of(deps: &Deps, scope: Scope, call: Uuid) -> Result<Uuid> {
    let filter = Filter::by("resource_id", json!(call)).and("resource_type", "call");
    for row in rows(deps).some(scope, filter, LATEST).await? {
        let Noted { activeflow_id } = read(&row)?;
        if !activeflow_id.is_nil() {
            return Ok(activeflow_id);
        }
    }
    Err(Error::not_found())
}
