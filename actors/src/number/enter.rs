//! An operator gives a customer a number that a carrier delivers here.

use std::sync::Arc;

use protocol::{Command, Context, Error, Result, Row, Rule, Scope, Verb};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{Numbers, create, digits};
use crate::customer::api::{CUSTOMER, ReadProfile};

/// The customer binds flows to the number itself.
#[derive(Serialize, Deserialize)]
pub(super) struct EnterNumber {
    number: String,
    /// Whose number it becomes; without it, the operator's own customer's.
    #[serde(default)]
    for_customer_id: Option<Uuid>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    detail: String,
}

impl Command for EnterNumber {
    const VERB: Verb = Verb::post("enter").rule(Rule::Platform);
    type Reply = Row;
}

pub(super) async fn enter(numbers: Arc<Numbers>, by: Context, command: EnterNumber) -> Result<Row> {
    let number = digits::e164(&command.number)?;
    if digits::is_virtual(&number) {
        return Err(Error::invalid("number must be a carrier's: virtual ones are made by their customers"));
    }
    let customer = command.for_customer_id.or(by.scope.customer());
    let customer = customer.ok_or_else(|| Error::invalid("for_customer_id is required"))?;
    let by = Context { scope: Scope::Customer(customer), ..by };
    numbers.deps.ask(&CUSTOMER, customer, ReadProfile {}, &by).await?;
    let row = Row::from_iter([
        ("name".to_owned(), json!(command.name)),
        ("detail".to_owned(), json!(command.detail)),
    ]);
    create::add(&numbers, &by, row, (&number, "normal")).await
}
