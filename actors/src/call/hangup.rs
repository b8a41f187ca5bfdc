//! Ending calls on request. The row becomes `hangup` when the engine confirms, not before.

use std::sync::Arc;

use protocol::{Command, Context, Event, Result, Row, Status, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::api::EndCall;
use super::calls::{Calls, is_over, on_behalf};
use super::session::Msg;
use super::status::Reason;
use crate::kernel::id_of;

#[derive(Serialize, Deserialize)]
pub(super) struct Hangup {}

impl Command for Hangup {
    const VERB: Verb = Verb::post("hangup");
    type Reply = Row;
}

/// Answers the call as it then is; one that is over already is no error.
pub(super) async fn hangup(calls: Arc<Calls>, by: Context, id: Uuid, _: Hangup) -> Result<Row> {
    let row = calls.rows().get(by.scope, id).await?;
    if !calls.live.has(id) && is_over(&row)? {
        return Ok(row);
    }
    calls.up(&by, id).await?;
    calls.live.ask(id, &by, |reply| Msg::End(Reason::Normal, Some(reply))).await
}

pub(super) async fn end(calls: Arc<Calls>, by: Context, id: Uuid, end: EndCall) -> Result<()> {
    match calls.up(&by, id).await {
        Ok(()) => calls.live.insist(id, Msg::End(end.reason, None)),
        Err(error) if matches!(error.status, Status::FailedPrecondition | Status::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A customer that is frozen or gone has no calls.
pub(super) async fn customer_gone(calls: Arc<Calls>, event: Arc<Event>) -> Result<()> {
    let (calls, by) = (&calls, &on_behalf(event.row_id()?));
    calls
        .rows()
        .each(event.row_id()?, |row| async move {
            if !is_over(&row)? {
                calls.end(id_of(&row)?, by).await;
            }
            Ok(())
        })
        .await
}
