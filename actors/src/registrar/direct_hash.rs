//! A new public name for an extension; the old one is gone at once.

use std::sync::Arc;

use protocol::{Command, Context, Result, Row, Scope, Verb, read};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Registrar;
use crate::direct::api::{DIRECT, NameResource};

#[derive(Serialize, Deserialize)]
pub(super) struct RegenerateHash {}

impl Command for RegenerateHash {
    const VERB: Verb = Verb::post("direct-hash-regenerate");
    type Reply = Row;
}

#[derive(Deserialize)]
struct Owner {
    customer_id: Uuid,
}

pub(super) async fn regenerate(
    registrar: Arc<Registrar>,
    by: Context,
    id: Uuid,
    _: RegenerateHash,
) -> Result<Row> {
    let rows = registrar.extensions();
    let owner: Owner = read(&rows.get(by.scope, id).await?)?;
    let by = Context { scope: Scope::Customer(owner.customer_id), ..by };
    let command = NameResource { resource_type: "extension".into(), resource_id: id, regenerate: true };
    let hash = registrar.deps.ask_all(&DIRECT, command, &by).await?.hash;
    rows.change(id, Row::from_iter([("direct_hash".to_owned(), json!(hash))]), "updated", &by).await
}
