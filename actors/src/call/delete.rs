//! Deleting calls and groups: what is live is ended first.

use std::sync::Arc;

use protocol::{Context, Event, Result, Row, Scope};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::calls::Calls;
use super::{group, session};
use crate::kernel::id_of;

pub(super) async fn call(calls: Arc<Calls>, by: Context, id: Uuid) -> Result<Row> {
    calls.rows().get(by.scope, id).await?;
    if calls.live.has(id) {
        return calls.live.ask(id, &by, session::Msg::Delete).await;
    }
    calls.rows().delete(id, &by).await
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
        let (reply, _) = oneshot::channel();
        match calls.live.insist(id, session::Msg::Delete(reply)) {
            Ok(()) => Ok(()),
            Err(_) => calls.rows().delete(id, by).await.map(drop),
        }
    })
    .await?;
    calls.group_rows().delete_all(customer).await
}
