//! An agent goes, with its addresses; its name goes when the direct domain hears of it. The last admin of a
//! customer stays: nobody else could make another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::ports::Unit;
use protocol::{Context, Error, Result, Row, Scope, read};
use serde::Deserialize;
use uuid::Uuid;

use super::permission::{Bits, is_admin};
use super::{Agents, addresses, again};

#[derive(Deserialize)]
struct Owner {
    customer_id: Uuid,
}

pub(super) async fn delete(agents: Arc<Agents>, by: Context, id: Uuid) -> Result<Row> {
    let _leaving = agents.leaving.lock().await;
    keep_an_admin(&agents, &agents.rows().get(by.scope, id).await?).await?;
    again(|| remove(&agents, &by, id)).await
}

/// Deletes without asking who is left.
pub(super) async fn remove(agents: &Agents, by: &Context, id: Uuid) -> Result<Row> {
    let row = agents.rows().get(by.scope, id).await?;
    let scope = Scope::Customer(read::<Owner>(&row)?.customer_id);
    let by = Context { scope, ..by.clone() };
    let mut unit = Unit::default();
    let gone = agents.rows().amend(&mut unit, (&row, agents.rows().tombstone()), "deleted", &by)?;
    addresses::take(agents, &mut unit, &by, (id, &[])).await?;
    agents.deps.store.commit(unit).await.map(|()| Arc::unwrap_or_clone(gone))
}

/// Refuses when this agent is the only admin of its customer.
pub(super) async fn keep_an_admin(agents: &Agents, row: &Row) -> Result<()> {
    let leaving: Bits = read(row)?;
    if !is_admin(leaving.permission) {
        return Ok(());
    }
    let others = Arc::new(AtomicUsize::new(0));
    let rows = agents.rows();
    rows.each(read::<Owner>(row)?.customer_id, |row| {
        let others = others.clone();
        async move {
            let bits: Bits = read(&row)?;
            if bits.id != leaving.id && is_admin(bits.permission) {
                others.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    })
    .await?;
    match others.load(Ordering::Relaxed) {
        0 => Err(Error::state("the last admin of a customer cannot go")),
        _ => Ok(()),
    }
}
