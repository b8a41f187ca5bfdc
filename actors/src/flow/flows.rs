//! What the handlers of this domain share.

use std::sync::Arc;

use protocol::ports::{Deps, Entry};
use protocol::{Context, Error, Event, Result, Row, Scope, Status, read};
use serde::Deserialize;
use uuid::Uuid;

use super::hear::{Hear, Heard};
use super::machine::Input;
use super::run::{Msg, Reply, Run, Subject};
use super::state::State;
use super::{ACTIVEFLOW, FLOW, NAME};
use crate::kernel::{Live, Rows};

/// Running activeflows in the journal of the store.
pub(super) const JOURNAL: &str = "activeflow";

pub(crate) struct Flows {
    pub(super) deps: Deps,
    pub(super) live: Live<Run>,
}

impl Flows {
    pub(super) fn new(deps: &Deps) -> Self {
        Flows { deps: deps.clone(), live: Live::default() }
    }

    pub(super) fn flow_rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &FLOW, deps: &self.deps }
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &ACTIVEFLOW, deps: &self.deps }
    }

    /// What is needed to go on with a running activeflow after a crash.
    pub(super) fn entry(&self, of: &Subject, state: &State) -> Result<Entry> {
        Ok(Entry {
            kind: JOURNAL,
            id: of.id,
            parent: of.reference_id,
            node: self.deps.settings.node.clone(),
            data: serde_json::to_string(state).map_err(Error::internal)?,
        })
    }

    /// Starts the actor of an activeflow that is stored, if it has none.
    pub(super) async fn enliven(self: &Arc<Self>, row: Row, state: State) -> Result<()> {
        let run = Run::new(self.clone(), row, state)?;
        let id = run.id();
        match self.live.spawn(id, run).await? {
            true => self.live.insist(id, Msg::Resume),
            false => Ok(()),
        }
    }

    /// Asks a running activeflow and waits until what it did is stored.
    ///
    /// # Errors
    /// `STATE_INVALID` when it has ended; what its interpreter refuses.
    pub(super) async fn ask(
        &self,
        by: &Context,
        id: Uuid,
        ask: impl FnOnce(Reply) -> Msg,
    ) -> Result<Arc<Row>> {
        match self.live.ask(id, by, ask).await {
            Err(error) if error.status == Status::NotFound => match self.deps.store.entry(JOURNAL, id).await?
            {
                Some(_) => Err(Error::unavailable("the activeflow is being rebuilt; try again")),
                None => Err(Error::state("the activeflow has ended")),
            },
            outcome => outcome,
        }
    }

    /// As [`Flows::ask`], for a caller who must first be seen to own it.
    pub(super) async fn give(&self, by: &Context, id: Uuid, input: Input) -> Result<Row> {
        self.rows().look(by.scope, id).await?;
        self.ask(by, id, |reply| Msg::Asked(input, reply)).await.map(Arc::unwrap_or_clone)
    }

    /// Tells an activeflow what happened, wherever it is. One that has ended, or never was, does not care.
    pub(super) async fn tell(&self, id: Uuid, heard: Heard) -> Result<()> {
        let by = Context::own(Scope::Platform);
        if !self.live.has(id) {
            return self.deps.ask(&ACTIVEFLOW, id, Hear { heard }, &by).await;
        }
        match self.ask(&by, id, |reply| heard.message(reply)).await {
            Err(error) if error.status != Status::FailedPrecondition => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// The scope of the customer whose row it is.
pub(super) fn owner(row: &Row) -> Result<Scope> {
    #[derive(Deserialize)]
    struct Owned {
        customer_id: Uuid,
    }
    Ok(Scope::Customer(read::<Owned>(row)?.customer_id))
}

/// The context of work for the customer that an event is about.
pub(super) fn on_behalf(event: &Event) -> Result<Context> {
    Ok(Context::own(owner(&event.data)?))
}
