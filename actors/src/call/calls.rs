//! What the handlers of this domain share.

use std::sync::Arc;

use protocol::ports::Deps;
use protocol::ports::voice::Report;
use protocol::{Context, Error, Result, Row, Scope, read};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use uuid::Uuid;

use super::api::EndCall;
use super::bridge::Bridge;
use super::group::Group;
use super::session::{Msg, Session};
use super::status::{Reason, Status};
use super::{CALL, CONFBRIDGE, GROUPCALL, NAME, OUTBOUND_CONFIG};
use crate::kernel::{Live, Rows};

#[derive(Deserialize)]
struct Standing {
    status: Status,
}

pub(crate) struct Calls {
    pub(super) deps: Deps,
    pub(super) live: Live<Session>,
    pub(super) groups: Live<Group>,
    pub(super) bridges: Live<Bridge>,
    /// The engine gives its reports away once; whoever routes them after a crash goes on with the same.
    pub(super) reports: Mutex<Option<mpsc::Receiver<Report>>>,
}

impl Calls {
    pub(super) fn new(deps: &Deps) -> Self {
        Calls {
            deps: deps.clone(),
            live: Live::default(),
            groups: Live::default(),
            bridges: Live::default(),
            reports: Mutex::default(),
        }
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &CALL, deps: &self.deps }
    }

    pub(super) fn group_rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &GROUPCALL, deps: &self.deps }
    }

    pub(super) fn bridge_rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &CONFBRIDGE, deps: &self.deps }
    }

    pub(super) fn outbound_rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &OUTBOUND_CONFIG, deps: &self.deps }
    }

    /// Starts the actor of a call that was just stored, with its first message.
    pub(super) async fn enliven(self: &Arc<Self>, row: Row, first: Msg) -> Result<()> {
        let mut session = Session::new(self.clone(), row)?;
        session.counted.begun();
        let id = session.id;
        self.live.spawn(id, session).await?;
        self.live.insist(id, first)
    }

    /// Ends a call wherever it is; of one that is over already nobody hears.
    pub(super) async fn end(&self, id: Uuid, by: &Context) {
        if self.live.insist(id, Msg::End(Reason::Normal, None)).is_ok() {
            return;
        }
        if let Err(error) = self.deps.ask(&CALL, id, EndCall { reason: Reason::Normal }, by).await {
            tracing::warn!(call = %id, %error, "a call that should end was not told");
        }
    }

    /// The live call that the scope may touch, or the state error of one that is over.
    pub(super) async fn up(&self, by: &Context, id: Uuid) -> Result<()> {
        if self.live.has(id) {
            return Ok(());
        }
        if is_over(&*self.rows().look(by.scope, id).await?)? {
            return Err(Error::state("the call has ended"));
        }
        // its node restarts, or another one is taking it over
        Err(Error::unavailable("the call is being rebuilt; try again"))
    }
}

/// Has the call of this row ended?
pub(super) fn is_over(row: &Row) -> Result<bool> {
    Ok(read::<Standing>(row)?.status == Status::Hangup)
}

/// The context of what a call does by itself.
pub(super) fn on_behalf(customer: Uuid) -> Context {
    Context::own(Scope::Customer(customer))
}

/// A patch of one row.
pub(super) fn patch<const N: usize>(fields: [(&str, Value); N]) -> Row {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) fn now(deps: &Deps) -> Value {
    json!(protocol::time::stamp(deps.clock.now()))
}
