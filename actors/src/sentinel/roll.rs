//! Who was there the last time, in memory as it is stored, and the facts that follow from who is there now.
//!
//! Only the watching node has one. What another node wrote meanwhile makes its next commit fail: then it is
//! thrown away and read anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::ports::{Deps, Filter, Pod, Sighting, Unit};
use protocol::{Context, Cursor, Page, Result, Row, Scope};

use super::NAME;
use super::pod::{POD, Stored, row};
use crate::kernel::Rows;

/// Changes in one transaction: each is a row, a fact and an entry in the timeline.
const MOST: usize = 64;
const PAGE: u32 = 500;

pub(super) struct Roll {
    deps: Deps,
    /// By the pod's uid: a StatefulSet gives the next pod the same name.
    known: BTreeMap<String, Row>,
    unit: Unit,
    /// What will have been counted when the unit is committed.
    changes: Vec<Change>,
}

struct Change {
    namespace: String,
    app: String,
    state: &'static str,
}

impl Roll {
    /// What is stored.
    pub(super) async fn of(deps: &Deps) -> Result<Roll> {
        let (filter, mut page) = (Filter::default(), Page { size: PAGE, after: None });
        let mut known = BTreeMap::new();
        loop {
            let rows = deps.store.list(&POD, Scope::Platform, &filter, &page).await?;
            page.after = rows.last().and_then(Cursor::of);
            for row in rows {
                known.insert(Stored::of(&row)?.uid, row);
            }
            if page.after.is_none() {
                let (unit, changes) = (Unit::default(), Vec::new());
                return Ok(Roll { deps: deps.clone(), known, unit, changes });
            }
        }
    }

    /// Writes and says what follows from this. After an error it no longer is what is stored.
    pub(super) async fn call(&mut self, seen: Vec<Sighting>) -> Result<()> {
        for sighting in seen {
            match sighting {
                Sighting::All(pods) => self.all(&pods).await?,
                Sighting::There(pod) => self.there(&pod)?,
                Sighting::Gone(pod) => self.gone(&pod.uid, row(&pod))?,
            }
            self.make_room().await?;
        }
        self.commit().await
    }

    async fn all(&mut self, pods: &[Pod]) -> Result<()> {
        let there: BTreeSet<_> = pods.iter().map(|pod| &pod.uid).collect();
        let missed: Vec<_> = self.known.keys().filter(|uid| !there.contains(uid)).cloned().collect();
        for uid in missed {
            self.gone(&uid, Row::new())?;
            self.make_room().await?;
        }
        for pod in pods {
            self.there(pod)?;
            self.make_room().await?;
        }
        Ok(())
    }

    fn there(&mut self, pod: &Pod) -> Result<()> {
        let now = row(pod);
        let known = self.known.get(&pod.uid).cloned();
        let (deps, by) = (self.deps.clone(), Context::own(Scope::Platform));
        let rows = Rows { publisher: NAME, resource: &POD, deps: &deps };
        let (row, state) = match known {
            None => (rows.draft(&mut self.unit, now, &by)?, "created"),
            Some(known) if Stored::of(&known)?.is_in_the_state_of(&Stored::of(&now)?) => return Ok(()),
            Some(known) => {
                let row = rows.amend(&mut self.unit, (&known, now), "updated", &by)?;
                (Arc::unwrap_or_clone(row), "updated")
            }
        };
        self.count(&row, state)?;
        self.known.insert(pod.uid.clone(), row);
        Ok(())
    }

    /// `last` is what is known of its end.
    fn gone(&mut self, uid: &str, mut last: Row) -> Result<()> {
        let Some(known) = self.known.remove(uid) else { return Ok(()) };
        let (deps, by) = (self.deps.clone(), Context::own(Scope::Platform));
        let rows = Rows { publisher: NAME, resource: &POD, deps: &deps };
        last.extend(rows.tombstone());
        let row = rows.amend(&mut self.unit, (&known, last), "deleted", &by)?;
        self.count(&row, "deleted")
    }

    fn count(&mut self, row: &Row, state: &'static str) -> Result<()> {
        let (namespace, app) = Stored::of(row)?.origin();
        self.changes.push(Change { namespace, app, state });
        Ok(())
    }

    async fn make_room(&mut self) -> Result<()> {
        if self.changes.len() < MOST { Ok(()) } else { self.commit().await }
    }

    async fn commit(&mut self) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        self.deps.store.commit(std::mem::take(&mut self.unit)).await?;
        for Change { namespace, app, state } in self.changes.drain(..) {
            let labels = [("namespace", namespace), ("app", app), ("state", state.to_owned())];
            metrics::counter!("sentinel_manager_pod_state_change_total", &labels).increment(1);
        }
        Ok(())
    }
}
