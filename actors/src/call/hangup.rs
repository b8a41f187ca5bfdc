//! Ending calls on request. The row becomes `hangup` when the engine confirms, not before.

use std::sync::Arc;

use protocol::{Command, Context, Event, Result, Row, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::api::EndCall;
use super::calls::Calls;
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
    if !calls.live.has(id) {
        return Ok(row);
    }
    calls.live.ask(id, &by, |reply| Msg::End(Reason::Normal, Some(reply))).await
}

pub(super) async fn end(calls: Arc<Calls>, _: Context, id: Uuid, end: EndCall) -> Result<()> {
    if calls.live.has(id) {
        calls.live.insist(id, Msg::End(end.reason, None))?;
    }
    Ok(())
}

/// A customer that is frozen or gone has no calls.
pub(super) async fn customer_gone(calls: Arc<Calls>, event: Arc<Event>) -> Result<()> {
    let calls = &calls;
    calls
        .rows()
        .each(event.row_id()?, |row| async move {
            let id = id_of(&row)?;
            if calls.live.has(id) {
                let _ = calls.live.insist(id, Msg::End(Reason::Normal, None));
            }
            Ok(())
        })
        .await
}
