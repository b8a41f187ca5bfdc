//! Taking a freeze back.

use std::sync::Arc;

use protocol::ports::{Pending, Unit};
use protocol::{Command, Context, Error, Result, Row, Rule, Verb, read};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Customers;
use super::erase::timer;
use super::standing::Standing;

#[derive(Serialize, Deserialize)]
pub(super) struct Recover {}

impl Command for Recover {
    const VERB: Verb = Verb::post("recover").rule(Rule::Platform);
    type Reply = Row;
}

pub(super) async fn recover(customers: Arc<Customers>, by: Context, id: Uuid, _: Recover) -> Result<Row> {
    let rows = customers.rows();
    let row = rows.get(by.scope, id).await?;
    if read::<Standing>(&row)?.status != "frozen" {
        return Err(Error::state("only a frozen customer can be recovered"));
    }
    let patch = Row::from_iter([
        ("status".to_owned(), json!("active")),
        ("tm_deletion_scheduled".to_owned(), Value::Null),
    ]);
    let mut unit = Unit::default();
    let active = rows.amend(&mut unit, (&row, patch), "recovered", &by)?;
    unit.timers.push(Pending::Cancel(timer(id)));
    match customers.deps.store.commit(unit).await {
        // somebody else was faster: what they made of it counts
        Err(error) if error.is_conflict() => rows.get(by.scope, id).await,
        outcome => outcome.map(|()| Arc::unwrap_or_clone(active)),
    }
}
