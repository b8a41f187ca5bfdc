//! The request was not carried out: its key is free again.

use std::sync::Arc;

use protocol::idempotency::Release;
use protocol::ports::{Unit, Write};
use protocol::{Context, Result, Status, read};
use uuid::Uuid;

use super::held::Held;
use super::{IDEMPOTENCY_KEY, Keys, records};

pub(super) async fn release(keys: Arc<Keys>, by: Context, id: Uuid, _: Release) -> Result<()> {
    let Some(row) = keys.deps.store.get(&IDEMPOTENCY_KEY, by.scope, id).await? else { return Ok(()) };
    let held: Held = read(&row)?;
    match held.status.as_str() {
        "claimed" => keys.forget(id, held.rev, &by).await,
        _ => Ok(()),
    }
}

impl Keys {
    /// Empties a claim and frees its name. Somebody who was faster did the same, or settled it.
    pub(super) async fn forget(&self, id: Uuid, rev: i64, by: &Context) -> Result<()> {
        let mut patch = records().empty;
        patch.extend(self.rows().tombstone());
        let write =
            Write::Update { resource: &IDEMPOTENCY_KEY, id, scope: by.scope, patch, rev, after: None };
        match self.deps.store.commit(Unit { writes: vec![write], ..Unit::default() }).await {
            Err(error) if error.is_conflict() || error.status == Status::NotFound => Ok(()),
            outcome => outcome,
        }
    }
}
