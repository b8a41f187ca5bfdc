//! What a call writes of itself. The beginning of an action has no write of its own unless the action lasts: the flow
//! has it stored, so nothing is lost with it, and most actions are told of by their end.

use std::sync::Arc;

use protocol::ports::Unit;
use protocol::{Result, Row};
use serde_json::Value;
use tokio::time::Duration;

use super::session::{Msg, Session};
use crate::kernel::{Alarm, Myself};

/// An action that is not over after this is told of, as `call_updated`.
const LASTS: Duration = Duration::from_millis(500);

/// What the row does not say yet.
#[derive(Default)]
pub(super) struct Unwritten {
    patch: Row,
    /// When it is written by itself.
    soon: Option<Alarm>,
}

impl Unwritten {
    pub(super) fn get(&self, column: &str) -> Option<&Value> {
        self.patch.get(column)
    }
}

impl Session {
    /// Writes the row and says so, with whatever was not written yet. What is not written has not happened: an error
    /// ends this actor, and the call is rebuilt from what is stored.
    pub(super) async fn write(&mut self, patch: Row, what: &str) -> Result<()> {
        let (unit, row) = self.changed(patch, what)?;
        self.calls.deps.store.commit(unit).await?;
        self.wrote(row);
        Ok(())
    }

    /// As [`Session::write`], where nobody is held up: it may wait a moment to be written with something else.
    pub(super) async fn write_beside(&mut self, patch: Row, what: &str) -> Result<()> {
        let (unit, row) = self.changed(patch, what)?;
        self.calls.deps.store.commit(Unit { joins: true, ..unit }).await?;
        self.wrote(row);
        Ok(())
    }

    /// As [`Session::write`], without waiting for it: whatever is written next, by this call or by its leg, is written
    /// behind it or with it. So nothing that follows is true before this is.
    pub(super) async fn write_ahead(&mut self, patch: Row, what: &str) -> Result<()> {
        let (unit, row) = self.changed(patch, what)?;
        self.calls.deps.store.commit_soon(unit).await?;
        self.wrote(row);
        Ok(())
    }

    fn changed(&mut self, patch: Row, what: &str) -> Result<(Unit, Arc<Row>)> {
        let mut all = std::mem::take(&mut self.unwritten).patch;
        all.extend(patch);
        let mut unit = Unit::default();
        let row = self.calls.rows().amend(&mut unit, (&self.row, all), what, &self.by())?;
        Ok((unit, row))
    }

    fn wrote(&mut self, row: Arc<Row>) {
        self.row = row;
        self.counted.note(self.status);
    }

    /// To be written with whatever comes next.
    pub(super) fn write_later(&mut self, patch: Row, me: &Myself<Msg>) {
        self.unwritten.patch.extend(patch);
        self.unwritten.soon = Some(me.after(LASTS, Msg::Lasts));
    }

    pub(super) async fn lasts(&mut self) -> Result<()> {
        match self.unwritten.patch.is_empty() {
            true => Ok(()),
            false => self.write(Row::new(), "updated").await,
        }
    }
}
