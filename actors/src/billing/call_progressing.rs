//! An answered call: from here on it is paid for.

use std::sync::Arc;

use protocol::{Context, Event, Result, Row, Scope, read};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::entry::{self, Entry};
use super::{BILLING, Billing};

#[derive(Deserialize)]
struct Call {
    id: Uuid,
    customer_id: Uuid,
    tm_progressing: Option<String>,
}

/// Without an entry there is nothing to note: the end of the call charges it by its own times.
pub(super) async fn start(state: Arc<Billing>, event: Arc<Event>) -> Result<()> {
    let call: Call = event.read()?;
    let (by, id) = (Context::own(Scope::Customer(call.customer_id)), entry::of_call(call.id));
    let row = state.deps.store.get(&BILLING, by.scope, id).await?;
    let pending = |row: &Row| {
        let entry: Entry = read(row)?;
        Ok(entry.is_open() && entry.tm_billing_start.is_none())
    };
    match row {
        Some(row) if pending(&row)? => {}
        Some(_) | None => return Ok(()),
    }
    let started = Row::from_iter([("tm_billing_start".to_owned(), json!(call.tm_progressing))]);
    let patch = |row: &Row| match pending(row)? {
        true => Ok(started.clone()),
        false => Ok(Row::new()),
    };
    state.entries().alter(id, "updated", &by, patch).await.map(drop)
}
