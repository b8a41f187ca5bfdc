//! Taking a resource's name away.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Result, Scope, Status, read};
use serde_json::json;
use uuid::Uuid;

use super::Directs;
use super::api::{Named, Unname};

pub(super) async fn unname(directs: Arc<Directs>, by: Context, command: Unname) -> Result<()> {
    forget(&directs, by.scope, command.resource_id).await
}

pub(super) async fn forget(directs: &Directs, scope: Scope, resource: Uuid) -> Result<()> {
    let rows = directs.rows();
    let Some(row) = rows.find(scope, Filter::by("resource_id", json!(resource))).await? else {
        return Ok(());
    };
    match rows.delete(read::<Named>(&row)?.id, &Context::own(scope)).await {
        Err(error) if error.status != Status::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
