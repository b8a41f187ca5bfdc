//! The first request has ended: what it was answered is what every repetition is answered.

use std::sync::Arc;

use protocol::idempotency::{LARGEST, Outcome, Settle};
use protocol::ports::{Unit, Vault, Write};
use protocol::{Context, Error, Result, Row, read};
use serde_json::{Value, json};
use uuid::Uuid;

use super::held::Held;
use super::{IDEMPOTENCY_KEY, Keys};

pub(super) async fn settle(keys: Arc<Keys>, by: Context, id: Uuid, settle: Settle) -> Result<()> {
    let held: Held = read(&keys.rows().get(by.scope, id).await?)?;
    // asked a second time, because the first answer was lost
    if held.status != "claimed" {
        return Ok(());
    }
    let patch = patch(settle.outcome, &*keys.deps.vault)?;
    let write =
        Write::Update { resource: &IDEMPOTENCY_KEY, id, scope: by.scope, patch, rev: held.rev, after: None };
    keys.deps.store.commit(Unit { writes: vec![write], ..Unit::default() }).await
}

fn patch(outcome: Outcome, vault: &dyn Vault) -> Result<Row> {
    let fields: Vec<(&str, Value)> = match outcome {
        Outcome::Answered(answer) if answer.body.len() > LARGEST => {
            return Err(Error::invalid(format!("an answer of more than {LARGEST} bytes is not kept")));
        }
        Outcome::Answered(answer) => vec![
            ("status", json!("answered")),
            ("code", json!(answer.code)),
            ("content_type", json!(answer.content_type)),
            ("body", json!(vault.seal(&answer.body)?)),
        ],
        Outcome::TooLarge(code) => vec![("status", json!("too_large")), ("code", json!(code))],
        Outcome::Unknown => vec![("status", json!("unknown"))],
    };
    Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
