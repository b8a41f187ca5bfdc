//! A number forgets a flow that is gone: a call to it is refused, not started and broken off.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Event, Result, Row, Scope, Status};
use serde_json::json;
use uuid::Uuid;

use super::Numbers;
use crate::kernel::id_of;

/// Numbers that are read together. One flow rarely has more.
const BATCH: u32 = 100;

pub(super) async fn clear(numbers: Arc<Numbers>, event: Arc<Event>) -> Result<()> {
    let flow = event.row_id()?;
    for field in ["call_flow_id", "message_flow_id"] {
        while clear_some(&numbers, field, flow).await? {}
    }
    Ok(())
}

/// Answers whether there may be more: what is cleared no longer matches.
async fn clear_some(numbers: &Numbers, field: &'static str, flow: Uuid) -> Result<bool> {
    let by = Context::own(Scope::Platform);
    let rows = numbers.rows();
    let found = rows.some(by.scope, Filter::by(field, json!(flow)), BATCH).await?;
    for row in &found {
        let patch = Row::from_iter([(field.to_owned(), json!(Uuid::nil()))]);
        match rows.change(id_of(row)?, patch, "updated", &by).await {
            Err(error) if error.status != Status::NotFound => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(u32::try_from(found.len()).is_ok_and(|count| count == BATCH))
}
