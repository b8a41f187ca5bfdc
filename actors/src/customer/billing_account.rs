//! The account that pays for a customer.

use std::sync::Arc;

use protocol::{Command, Context, Error, Result, Row, Rule, Verb};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Customers;

#[derive(Serialize, Deserialize)]
pub(super) struct SetBillingAccount {
    billing_account_id: Uuid,
}

impl Command for SetBillingAccount {
    const VERB: Verb = Verb::put("billing_account_id").rule(Rule::Platform);
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
