//! The account that pays for a customer.

use std::sync::Arc;

use protocol::{Command, Context, Error, Event, Result, Row, Rule, Scope, Status, Verb, read};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Customers;

#[derive(Serialize, Deserialize)]
pub(super) struct SetBillingAccount {
    billing_account_id: Uuid,
}

impl Command for SetBillingAccount {
    const VERB: Verb = Verb::put("billing_account_id").rule(Rule::Admin);
    type Reply = Row;
}

pub(super) async fn set_billing_account(
    customers: Arc<Customers>,
    by: Context,
    id: Uuid,
    command: SetBillingAccount,
) -> Result<Row> {
    if command.billing_account_id.is_nil() {
        return Err(Error::invalid("billing_account_id is required"));
    }
    let patch = Row::from_iter([("billing_account_id".to_owned(), json!(command.billing_account_id))]);
    customers.rows().change(id, patch, "updated", &by).await
}

#[derive(Deserialize)]
struct Payer {
    billing_account_id: Uuid,
}

/// The first account of a customer is the one that pays.
pub(super) async fn opened(customers: Arc<Customers>, event: Arc<Event>) -> Result<()> {
    let (account, Some(customer)) = (event.row_id()?, event.customer_id()) else { return Ok(()) };
    let by = Context::own(Scope::Customer(customer));
    let row = match customers.rows().get(by.scope, customer).await {
        Err(error) if error.status == Status::NotFound => return Ok(()),
        row => row?,
    };
    if !read::<Payer>(&row)?.billing_account_id.is_nil() {
        return Ok(());
    }
    let patch = Row::from_iter([("billing_account_id".to_owned(), json!(account))]);
    customers.rows().change(customer, patch, "updated", &by).await.map(drop)
}
