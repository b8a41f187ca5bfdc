//! One request claims a key; others are told what it stands for.

use std::sync::Arc;

use protocol::idempotency::{Claim, Standing};
use protocol::ports::{Filter, Unit};
use protocol::{Context, Error, Result, Row, Status, read};
use serde_json::json;

use super::Keys;
use super::held::Held;

/// Each round somebody else has claimed or freed the key meanwhile.
const ROUNDS: usize = 5;

/// First the claim, then the look: a new key costs one write. That only one claim of a name lives is the
/// store's doing, so it holds on all nodes.
pub(super) async fn claim(keys: Arc<Keys>, by: Context, claim: Claim) -> Result<Standing> {
    for _ in 0..ROUNDS {
        match insert(&keys, &by, &claim).await {
            Ok(()) => return Ok(Standing::Yours),
            Err(error) if error.status != Status::AlreadyExists => return Err(error),
            Err(_) => {}
        }
        let found = keys.rows().find(by.scope, Filter::by("name", claim.name.as_str())).await?;
        let Some(row) = found else { continue };
        let held: Held = read(&row)?;
        if held.id == claim.id {
            return Ok(Standing::Yours);
        }
        let now = keys.deps.clock.now();
        if !held.is_over(now) {
            return held.standing(&claim.fingerprint, now, &*keys.deps.vault);
        }
        keys.forget(held.id, held.rev, &by).await?;
    }
    Err(Error::unavailable("Too many requests claim this Idempotency-Key; try again."))
}

async fn insert(keys: &Keys, by: &Context, claim: &Claim) -> Result<()> {
    let row = Row::from_iter([
        ("id".to_owned(), json!(claim.id)),
        ("customer_id".to_owned(), json!(by.customer()?)),
        ("name".to_owned(), json!(claim.name)),
        ("fingerprint".to_owned(), json!(claim.fingerprint)),
        ("status".to_owned(), json!("claimed")),
    ]);
    let mut unit = Unit::default();
    keys.rows().record(&mut unit, row);
    keys.deps.store.commit(unit).await
}
