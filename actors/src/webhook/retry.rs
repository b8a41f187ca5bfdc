//! Delivering again by hand: what failed, and also what was delivered and lost by the one who got it.

use std::sync::Arc;

use protocol::ports::{Unit, Write};
use protocol::{Command, Context, Result, Row, Verb, read, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{DELIVERY, Webhooks};

#[derive(Serialize, Deserialize)]
pub(super) struct Retry {}

impl Command for Retry {
    const VERB: Verb = Verb::post("retry");
    type Reply = Row;
}

#[derive(Deserialize)]
struct Delivery {
    customer_id: Uuid,
    rev: i64,
}

/// The schedule begins anew, at once.
pub(super) async fn retry(state: Arc<Webhooks>, by: Context, id: Uuid, _: Retry) -> Result<Row> {
    let mut row = state.rows().get(by.scope, id).await?;
    let Delivery { customer_id, rev } = read(&row)?;
    let now = json!(time::stamp(state.deps.clock.now()));
    let patch = Row::from_iter([
        ("status".to_owned(), json!("pending")),
        ("attempts".to_owned(), json!(0)),
        ("tm_next".to_owned(), now.clone()),
        ("tm_update".to_owned(), now),
    ]);
    row.extend(patch.clone());
    let write = Write::Update { resource: &DELIVERY, id, scope: by.scope, patch, rev, after: None };
    let unit = Unit { writes: vec![write], timers: vec![state.lease(id)], ..Unit::default() };
    state.deps.store.commit(unit).await?;
    state.desk.offer(customer_id, id);
    Ok(row)
}
