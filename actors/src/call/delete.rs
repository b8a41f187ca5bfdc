//! Deleting calls and groups: what is live is ended first.

use std::sync::Arc;

use protocol::{Context, Event, Op, Result, Row, Scope};
use serde_json::Value;
use uuid::Uuid;

use super::calls::{Calls, is_over};
use super::{CALL, group, session};
use crate::kernel::id_of;

pub(super) async fn call(calls: Arc<Calls>, by: Context, id: Uuid) -> Result<Row> {
    let row = calls.rows().get(by.scope, id).await?;
    if !calls.live.has(id) && is_over(&row)? {
        return calls.rows().delete(id, &by).await;
    }
    calls.up(&by, id).await?;
    calls.live.ask(id, &by, session::Msg::Delete).await
}

pub(super) async fn group(calls: Arc<Calls>, by: Context, id: Uuid) -> Result<Row> {
    calls.group_rows().get(by.scope, id).await?;
    if calls.groups.has(id) {
        calls.groups.ask(id, &by, |reply| group::Msg::Hangup(Some(reply))).await?;
    }
    calls.group_rows().delete(id, &by).await
}

/// The calls and groups of a customer that is gone go with it, the live ones when they have ended.
pub(super) async fn customer_deleted(calls: Arc<Calls>, event: Arc<Event>) -> Result<()> {
    let (calls, customer) = (&calls, event.row_id()?);
    let by = &Context::own(Scope::Customer(customer));
    let rows = calls.rows();
    rows.each(customer, |row| async move {
        let id = id_of(&row)?;
        match is_over(&row)? {
            true => calls.rows().delete(id, by).await.map(drop),
            // wherever it is
            false => calls.deps.op(&CALL, Op::Delete(id), Value::Null, by).await.map(drop),
        }
    })
    .await?;
    calls.group_rows().delete_all(customer).await
}
