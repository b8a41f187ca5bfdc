//! An operator gives or takes money. Each time it is an entry of the ledger of its own.

use std::sync::Arc;

use protocol::ports::Unit;
use protocol::{Command, Context, Error, Result, Row, Rule, Scope, Status, Verb, read};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::balance::Balance;
use super::entry::{self, fields};
use super::{Billing, again, insufficient};

#[derive(Serialize, Deserialize)]
pub(super) struct AddBalance {
    /// US dollars.
    #[serde(default)]
    balance: f64,
    /// Given twice, it is done once. Not given, every request is one of its own.
    #[serde(default)]
    idempotency_key: Option<Uuid>,
}

impl Command for AddBalance {
    const VERB: Verb = Verb::post("balance_add_force").rule(Rule::Platform);
    type Reply = Row;
}

#[derive(Serialize, Deserialize)]
pub(super) struct SubtractBalance {
    #[serde(default)]
    balance: f64,
    #[serde(default)]
    idempotency_key: Option<Uuid>,
}

impl Command for SubtractBalance {
    const VERB: Verb = Verb::post("balance_subtract_force").rule(Rule::Platform);
    type Reply = Row;
}

/// More than this at once is a mistyped amount.
const MOST_DOLLARS: f64 = 1_000_000.0;
const MICRO: f64 = 1_000_000.0;

#[derive(Deserialize)]
struct Owner {
    customer_id: Uuid,
}

pub(super) async fn balance_add_force(
    state: Arc<Billing>,
    by: Context,
    id: Uuid,
    command: AddBalance,
) -> Result<Row> {
    adjust(&state, &by, id, (micro(command.balance)?, command.idempotency_key)).await
}

/// What running calls have set aside is not taken.
pub(super) async fn balance_subtract_force(
    state: Arc<Billing>,
    by: Context,
    id: Uuid,
    command: SubtractBalance,
) -> Result<Row> {
    adjust(&state, &by, id, (-micro(command.balance)?, command.idempotency_key)).await
}

async fn adjust(state: &Billing, by: &Context, id: Uuid, (credit, key): (i64, Option<Uuid>)) -> Result<Row> {
    let key = key.unwrap_or_else(Uuid::new_v4);
    let _turn = state.turn(id).await;
    match again(|| once(state, by, id, (credit, key))).await {
        Err(error) if error.status == Status::AlreadyExists => state.accounts().get(by.scope, id).await,
        outcome => outcome,
    }
}

async fn once(state: &Billing, by: &Context, id: Uuid, (credit, key): (i64, Uuid)) -> Result<Row> {
    let row = state.accounts().get(by.scope, id).await?;
    let Owner { customer_id } = read(&row)?;
    let mut balance = Balance::of(&row)?;
    balance.adjust(credit).ok_or_else(|| insufficient("that much is not free in this account"))?;
    let mut unit = Unit::default();
    let changed = state.accounts().amend(&mut unit, (&row, balance.patch()), "updated", by)?;
    let mut entry = fields([
        ("id", json!(Uuid::new_v5(&id, key.as_bytes()))),
        ("account_id", json!(id)),
        ("transaction_type", json!("adjustment")),
        ("status", json!("end")),
        ("reference_type", json!("credit_adjustment")),
        ("reference_id", json!(key)),
        ("idempotency_key", json!(key)),
        ("amount_credit", json!(credit)),
    ]);
    entry.extend(entry::snapshot(&balance));
    let owner = Context { scope: Scope::Customer(customer_id), ..by.clone() };
    state.entries().draft(&mut unit, entry, &owner)?;
    state.deps.store.commit(unit).await?;
    Ok(Arc::unwrap_or_clone(changed))
}

fn micro(dollars: f64) -> Result<i64> {
    let micro = (dollars * MICRO).round();
    match dollars.is_finite() && dollars <= MOST_DOLLARS && micro >= 1.0 {
        true => Ok(micro as i64),
        false => {
            Err(Error::invalid(format!("balance must be more than 0 and at most {MOST_DOLLARS} dollars")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_become_micro_dollars() {
        for (dollars, expected) in [
            (1.0, Some(1_000_000)),
            (0.1, Some(100_000)),
            (19.99, Some(19_990_000)),
            (0.000_001, Some(1)),
            (1_000_000.0, Some(1_000_000_000_000)),
            (0.0, None),
            (0.000_000_1, None),
            (-1.0, None),
            (1_000_000.1, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(micro(dollars).ok(), expected, "{dollars}");
        }
    }
}
