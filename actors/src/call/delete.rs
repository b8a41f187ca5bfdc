//! Deleting calls and groups: what is live is ended first.

use std::sync::Arc;

use protocol::{Context, Result, Row};
use uuid::Uuid;

use super::calls::Calls;
use super::{group, session};

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
