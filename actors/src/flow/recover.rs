//! Activeflows come back from their journal: one after a crash, all after a start of the node.

use std::sync::Arc;

use protocol::ports::{Entry, Journal, Unit};
use protocol::{Context, Error, Result, Row, Scope, Status};
use serde_json::json;
use uuid::Uuid;

use super::flows::{Flows, JOURNAL};
use super::state::State;
use crate::kernel::Keeper;

pub(super) struct Runs(pub(super) Arc<Flows>);

impl Runs {
    async fn revive(&self, entry: Entry) -> Result<()> {
        let row = match self.0.rows().get(Scope::Platform, entry.id).await {
            // what nobody can see any more does not run any more
            Err(error) if error.status == Status::NotFound => return self.forget(entry.id).await,
            row => row?,
        };
        let state: State = serde_json::from_str(&entry.data).map_err(Error::internal)?;
        self.0.enliven(row, state).await
    }

    async fn forget(&self, id: Uuid) -> Result<()> {
        let erase = Journal::Erase { kind: JOURNAL, id };
        self.0.deps.store.commit(Unit { journal: vec![erase], ..Unit::default() }).await
    }
}

impl Keeper for Runs {
    /// One that cannot be read is given up; the others go on.
    async fn recover(&self) -> Result<()> {
        let node = &self.0.deps.settings.node;
        let mut entries = self.0.deps.store.journal(JOURNAL, Some(node)).await?;
        entries.retain(|entry| !self.0.live.has(entry.id));
        if !entries.is_empty() {
            tracing::info!(activeflows = entries.len(), "activeflows resumed");
        }
        for entry in entries {
            let id = entry.id;
            match self.revive(entry).await {
                Err(error) if error.status == Status::Unavailable => return Err(error),
                Err(error) => {
                    tracing::error!(activeflow = %id, cause = ?error.cause, %error, "activeflow given up");
                    self.abandon(id).await;
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Nothing in the journal: it had ended.
    async fn rebuild(&self, id: Uuid) -> Result<()> {
        match self.0.deps.store.entry(JOURNAL, id).await? {
            Some(entry) => self.revive(entry).await,
            None => Ok(()),
        }
    }

    /// Its end is a fact that hangs its call up.
    async fn abandon(&self, id: Uuid) {
        let end = Row::from_iter([("status".to_owned(), json!("ended"))]);
        let ended = self.0.rows().change(id, end, "updated", &Context::own(Scope::Platform)).await;
        if let Err(error) = ended.map(drop).and(self.forget(id).await) {
            tracing::error!(activeflow = %id, %error, "the end of an activeflow was not stored");
        }
    }
}
