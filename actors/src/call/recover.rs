//! Live calls, groups and bridges come back from what is stored: one after a crash, all after a start.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Error, Result, Row, Scope};
use serde_json::json;
use uuid::Uuid;

use super::bridge::{self, Bridge};
use super::calls::{Calls, is_over, patch};
use super::group::{self, Group};
use super::session::{Msg, Session};
use super::status::STATUSES;
use crate::kernel::{Keeper, Live, Living, Rows, id_of};

/// The most things of one kind that a node can have left behind.
const MOST: u32 = 20_000;

async fn left_behind(calls: &Calls, rows: Rows<'_>, over: &[&str], of: &[&str]) -> Result<Vec<Row>> {
    let live = of.iter().filter(|status| !over.contains(status)).map(|status| json!(status)).collect();
    let filter = Filter::by("node", calls.deps.settings.node.clone()).any("status", live);
    rows.some(Scope::Platform, filter, MOST).await
}

fn is_alive<T: Living>(live: &Live<T>, row: &Row) -> bool {
    id_of(row).is_ok_and(|id| live.knows(id))
}

pub(super) struct Sessions(pub(super) Arc<Calls>);

impl Sessions {
    async fn revive(&self, row: Row) -> Result<()> {
        if is_over(&row)? {
            return Ok(());
        }
        let session = Session::new(self.0.clone(), row)?;
        let id = session.id;
        if self.0.live.spawn(id, session).await? {
            self.0.live.insist(id, Msg::Resume)?;
        }
        Ok(())
    }
}

impl Keeper for Sessions {
    /// The engine first: a call asks it what is true.
    async fn recover(&self) -> Result<()> {
        self.0.deps.voice.resume().await?;
        let rows = left_behind(&self.0, self.0.rows(), &["hangup"], STATUSES).await?;
        let lost: Vec<_> = rows.into_iter().filter(|row| !is_alive(&self.0.live, row)).collect();
        if !lost.is_empty() {
            tracing::info!(calls = lost.len(), "calls resumed");
        }
        for row in lost {
            self.revive(row).await?;
        }
        Ok(())
    }

    async fn rebuild(&self, id: Uuid) -> Result<()> {
        self.revive(self.0.rows().get(Scope::Platform, id).await?).await
    }

    async fn abandon(&self, id: Uuid) {
        let hangup = protocol::ports::voice::Command::Hangup { cause: protocol::ports::voice::CAUSE_FAILED };
        let _ = self.0.deps.voice.command(id, hangup).await;
        let end = patch([
            ("status", json!("hangup")),
            ("hangup_reason", json!("failed")),
            ("hangup_by", json!("local")),
            ("tm_hangup", super::calls::now(&self.0.deps)),
        ]);
        let _ = self.0.rows().change(id, end, "hangup", &Context::own(Scope::Platform)).await;
    }
}

pub(super) struct Groups(pub(super) Arc<Calls>);

impl Keeper for Groups {
    async fn recover(&self) -> Result<()> {
        let of = ["progressing", "hangingup"];
        for row in left_behind(&self.0, self.0.group_rows(), &[], &of).await? {
            if !is_alive(&self.0.groups, &row) {
                self.rebuild(id_of(&row)?).await?;
            }
        }
        Ok(())
    }

    async fn rebuild(&self, id: Uuid) -> Result<()> {
        let row = self.0.group_rows().get(Scope::Platform, id).await?;
        self.0.groups.spawn(id, Group::new(self.0.clone(), row)?).await.map(drop)
    }

    async fn abandon(&self, id: Uuid) {
        let end = patch([("status", json!("hangup"))]);
        let _ = self.0.group_rows().change(id, end, "hangup", &Context::own(Scope::Platform)).await;
        let _ = self.0.groups.insist(id, group::Msg::Hangup(None));
    }
}

/// The bridge lives, unless it is over.
pub(super) async fn bridge(calls: &Arc<Calls>, id: Uuid) -> Result<()> {
    let row = calls.bridge_rows().get(Scope::Platform, id).await?;
    if row.get("status").is_some_and(|status| status == "terminated") {
        return Err(Error::state("the bridge is over"));
    }
    if row.get("node").is_some_and(|node| *node != calls.deps.settings.node) {
        // its members hear each other on the node that has their legs
        return Err(Error::state("the bridge is on another node than the call"));
    }
    calls.bridges.spawn(id, Bridge::new(calls.clone(), row)?).await.map(drop)
}

pub(super) struct Bridges(pub(super) Arc<Calls>);

impl Keeper for Bridges {
    async fn recover(&self) -> Result<()> {
        let of = ["progressing", "terminating"];
        for row in left_behind(&self.0, self.0.bridge_rows(), &[], &of).await? {
            if !is_alive(&self.0.bridges, &row) {
                self.rebuild(id_of(&row)?).await?;
            }
        }
        Ok(())
    }

    async fn rebuild(&self, id: Uuid) -> Result<()> {
        bridge(&self.0, id).await
    }

    async fn abandon(&self, id: Uuid) {
        let end = patch([("status", json!("terminated"))]);
        let _ = self.0.bridge_rows().change(id, end, "terminated", &Context::own(Scope::Platform)).await;
        let _ = self.0.bridges.insist(id, bridge::Msg::Gone(id));
    }
}
