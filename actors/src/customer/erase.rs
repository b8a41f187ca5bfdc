//! The end of a customer: deleted by an operator, or erased when its freeze was not taken back in time.
//! What belongs to it goes when the others hear of it.

use std::sync::Arc;

use chrono::TimeDelta;
use protocol::ports::{Pending, Unit};
use protocol::{Command, Context, Result, Row, Verb, read, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Customers;
use super::standing::Standing;
use crate::kernel::id_of;

/// How long a freeze can be taken back. The gateway tells frozen customers this date.
pub(super) const GRACE: TimeDelta = TimeDelta::days(30);

/// Sent by the timer that the freeze has set.
#[derive(Serialize, Deserialize)]
pub(super) struct Erase {}

impl Command for Erase {
    const VERB: Verb = Verb::internal("erase");
    type Reply = ();
}

/// The timer that erases this customer: one per customer.
pub(super) fn timer(customer: Uuid) -> Uuid {
    Uuid::new_v5(&customer, b"erase")
}

/// Keeps what was entered about the customer.
pub(super) async fn delete(customers: Arc<Customers>, by: Context, id: Uuid) -> Result<Row> {
    let row = customers.rows().get(by.scope, id).await?;
    end(&customers, &by, row, Row::new()).await
}

/// Keeps nothing that names a person.
pub(super) async fn erase(customers: Arc<Customers>, by: Context, id: Uuid, _: Erase) -> Result<()> {
    let row = customers.rows().get(by.scope, id).await?;
    let standing: Standing = read(&row)?;
    let since = standing.tm_deletion_scheduled.as_deref().and_then(time::parse);
    let due = since.is_some_and(|since| since + GRACE <= customers.deps.clock.now());
    if standing.status != "frozen" || !due {
        return Ok(());
    }
    end(&customers, &by, row, anonymous(id)).await.map(drop)
}

async fn end(customers: &Customers, by: &Context, row: Row, mut patch: Row) -> Result<Row> {
    let rows = customers.rows();
    let id = id_of(&row)?;
    patch.extend(rows.tombstone());
    patch.insert("status".into(), json!("deleted"));
    let mut unit = Unit::default();
    let gone = rows.amend(&mut unit, (&row, patch), "deleted", by)?;
    unit.timers.push(Pending::Cancel(timer(id)));
    customers.deps.store.commit(unit).await.map(|()| Arc::unwrap_or_clone(gone))
}

fn anonymous(id: Uuid) -> Row {
    let mark = id.simple().to_string()[..8].to_owned();
    let texts = [
        ("name", format!("deleted_user_{mark}")),
        ("email", format!("deleted_{mark}@removed.invalid")),
        ("detail", String::new()),
        ("phone_number", String::new()),
        ("address", String::new()),
        ("webhook_uri", String::new()),
        ("webhook_secret", String::new()),
    ];
    texts.into_iter().map(|(name, text)| (name.to_owned(), json!(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erased_customer_names_nobody() {
        let id = Uuid::now_v7();
        let row = anonymous(id);
        let personal =
            ["name", "email", "detail", "phone_number", "address", "webhook_uri", "webhook_secret"];
        for name in personal {
            let text = row.get(name).and_then(|value| value.as_str()).expect("replaced");
            assert!(text.is_empty() || text.contains(&id.simple().to_string()[..8]), "{name}");
        }
    }
}
