//! Old records go: timelines, finished deliveries, answers under a key. They are records of facts and no facts
//! themselves, so nothing is published when they do; a customer's rows are deleted through
//! [`crate::kernel::Rows`].

use std::sync::Arc;

use chrono::TimeDelta;
use protocol::ports::{Deps, Filter, Pending, Unit, Write};
use protocol::{Cursor, Page, Resource, Result, Row, Scope, read, time};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::kernel::Child;

/// Rows of one unit: small enough that other writers do not wait noticeably.
const BATCH: u32 = 200;
/// Units of one round. What is left waits for the next one, so that a backlog cannot keep the store busy.
const BATCHES: usize = 100;
const PAUSE: Duration = Duration::from_secs(10 * 60);

/// Records of one kind, and what of them is old.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) resource: &'static Resource,
    /// Which of them may go.
    pub(crate) filter: Filter,
    /// Columns whose content goes with them: rows are marked deleted, not removed.
    pub(crate) empty: Row,
    /// They have stored timers under their own ids.
    pub(crate) timed: bool,
    /// How long they are kept; `None`: as long as the installation keeps records.
    pub(crate) kept: Option<TimeDelta>,
}

#[derive(Deserialize)]
struct Record {
    id: Uuid,
    rev: i64,
}

impl Records {
    /// The task that lets records go that are older than they are kept.
    pub(crate) fn child(self, deps: &Deps) -> Child {
        let work = Arc::new((self, deps.clone()));
        Child::task("aging", move |token| {
            let work = work.clone();
            async move { work.0.run(&work.1, token).await }
        })
    }

    async fn run(&self, deps: &Deps, token: CancellationToken) -> Result<()> {
        loop {
            if let Err(error) = self.round(deps).await {
                tracing::warn!(resource = self.resource.name, %error, "old records not deleted");
            }
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = sleep(PAUSE) => {}
            }
        }
    }

    async fn round(&self, deps: &Deps) -> Result<()> {
        let now = deps.clock.now();
        let before = match self.kept {
            Some(kept) => now.checked_sub_signed(kept),
            None => eldest(now, deps.settings.retention_days),
        };
        let Some(before) = before else { return Ok(()) };
        for _ in 0..BATCHES {
            let after = Cursor { tm_create: time::stamp(before), id: None };
            if self.batch(deps, Scope::Platform, Some(after)).await? == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// All records of a customer that is gone. Again after a failure, it goes on where it was.
    pub(crate) async fn delete_all(&self, deps: &Deps, customer: Uuid) -> Result<()> {
        while self.batch(deps, Scope::Customer(customer), None).await? > 0 {}
        Ok(())
    }

    async fn batch(&self, deps: &Deps, scope: Scope, after: Option<Cursor>) -> Result<usize> {
        let rows = deps.store.list(self.resource, scope, &self.filter, &Page { size: BATCH, after }).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let mut patch = self.empty.clone();
        patch.insert("tm_delete".to_owned(), json!(time::stamp(deps.clock.now())));
        let mut unit = Unit::default();
        for row in &rows {
            let Record { id, rev } = read(row)?;
            let (resource, patch) = (self.resource, patch.clone());
            unit.writes.push(Write::Update { resource, id, scope, patch, rev, after: None });
            if self.timed {
                unit.timers.push(Pending::Cancel(id));
            }
        }
        deps.store.commit(unit).await?;
        Ok(rows.len())
    }
}

/// Older than this is too old. Zero days: everything is kept.
fn eldest(now: time::Time, days: u32) -> Option<time::Time> {
    let kept = TimeDelta::try_days(i64::from(days)).filter(|_| days > 0)?;
    now.checked_sub_signed(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_kept_for_whole_days_or_for_ever() {
        let now = time::parse("2026-03-01T12:00:00Z").expect("a time");
        assert_eq!(eldest(now, 1).map(time::stamp).as_deref(), Some("2026-02-28T12:00:00.000000Z"));
        assert_eq!(eldest(now, 0), None);
        assert_eq!(eldest(now, u32::MAX), None);
    }
}
