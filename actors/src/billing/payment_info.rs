//! How an account is paid.

use std::sync::Arc;

use protocol::{Command, Context, Error, Result, Row, Rule, Verb};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Billing;

pub(super) const TYPES: &[&str] = &["", "prepaid"];
pub(super) const METHODS: &[&str] = &["", "credit card"];

/// Only what is given changes.
#[derive(Serialize, Deserialize)]
pub(super) struct PaymentInfo {
    #[serde(default)]
    payment_type: Option<String>,
    #[serde(default)]
    payment_method: Option<String>,
}

impl Command for PaymentInfo {
    const VERB: Verb = Verb::put("payment_info").rule(Rule::Platform);
    type Reply = Row;
}

pub(super) async fn payment_info(
    state: Arc<Billing>,
    by: Context,
    id: Uuid,
    command: PaymentInfo,
) -> Result<Row> {
    let given =
        [("payment_type", command.payment_type, TYPES), ("payment_method", command.payment_method, METHODS)];
    let mut patch = Row::new();
    for (name, value, of) in given {
        let Some(value) = value else { continue };
        if !of.contains(&value.as_str()) {
            return Err(Error::invalid(format!("{name} must be one of {of:?}")));
        }
        patch.insert(name.to_owned(), json!(value));
    }
    state.accounts().change(id, patch, "updated", &by).await
}
