//! Freezing a customer: its requests are refused, and it is erased when nobody recovers it in time.

use std::sync::Arc;

use protocol::ports::{Pending, Timer, Unit};
use protocol::{Command, Context, Error, Result, Row, Rule, Verb, read, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::erase::{Erase, GRACE, timer};
use super::standing::Standing;
use super::{CUSTOMER, Customers};

#[derive(Serialize, Deserialize)]
pub(super) struct Freeze {}

impl Command for Freeze {
    const VERB: Verb = Verb::post("freeze").rule(Rule::Platform);
    type Reply = Row;
}

/// A frozen customer is answered as it is: its time does not start again.
pub(super) async fn freeze(customers: Arc<Customers>, by: Context, id: Uuid, _: Freeze) -> Result<Row> {
    let rows = customers.rows();
    let row = rows.get(by.scope, id).await?;
    match read::<Standing>(&row)?.status.as_str() {
        "frozen" => return Ok(row),
        "active" => {}
        _ => return Err(Error::state("only an active customer can be frozen")),
    }
    let now = customers.deps.clock.now();
    let patch = Row::from_iter([
        ("status".to_owned(), json!("frozen")),
        ("tm_deletion_scheduled".to_owned(), json!(time::stamp(now))),
    ]);
    let mut unit = Unit::default();
    let frozen = rows.amend(&mut unit, (&row, patch), "frozen", &by)?;
    unit.timers.push(Pending::Set(Timer {
        id: timer(id),
        at: now + GRACE,
        resource: CUSTOMER.name.into(),
        verb: Erase::VERB.name.into(),
        target: id,
        body: json!(Erase {}),
    }));
    match customers.deps.store.commit(unit).await {
        // somebody else was faster: what they made of it counts
        Err(error) if error.is_conflict() => rows.get(by.scope, id).await,
        outcome => outcome.map(|()| Arc::unwrap_or_clone(frozen)),
    }
}
