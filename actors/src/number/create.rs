//! A number that a customer makes. Numbers of carriers cannot be bought: no carrier sells through us.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Error, Result, Row, Status, read, time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{NUMBER, Numbers, digits};
use crate::billing::api::{ACCOUNT, CheckLimit};

#[derive(Deserialize)]
struct Wanted {
    number: String,
    #[serde(default)]
    r#type: String,
}

pub(super) async fn create(numbers: Arc<Numbers>, by: Context, row: Row) -> Result<Value> {
    let wanted: Wanted = read(&row)?;
    let text = digits::e164(&wanted.number)?;
    let kind = match (wanted.r#type.as_str(), digits::is_virtual(&text)) {
        ("", true) => "virtual",
        ("", false) => "normal",
        (given, _) => given,
    };
    if kind != "virtual" {
        return Err(no_carrier());
    }
    let number = digits::free_virtual(&text)?;
    let filter = Filter::by("type", "virtual");
    let count = numbers.deps.store.count(&NUMBER, by.scope, &filter).await?;
    let limit = CheckLimit { resource: "virtual_number".into(), count };
    numbers.deps.ask_all(&ACCOUNT, limit, &by).await?;
    add(&numbers, &by, row, (&number, kind)).await.map(Value::Object)
}

/// Stores a number that was checked, ready to be called.
pub(super) async fn add(
    numbers: &Numbers,
    by: &Context,
    mut row: Row,
    (number, kind): (&str, &str),
) -> Result<Row> {
    row.extend([
        ("number".to_owned(), json!(number)),
        ("type".to_owned(), json!(kind)),
        ("status".to_owned(), json!("active")),
        ("tm_purchase".to_owned(), json!(time::stamp(numbers.deps.clock.now()))),
    ]);
    match numbers.rows().insert(row, by).await {
        Err(error) if error.status == Status::AlreadyExists => {
            Err(Error::new(Status::AlreadyExists, "NUMBER_ALREADY_EXISTS", "This number is taken already."))
        }
        outcome => outcome,
    }
}

fn no_carrier() -> Error {
    Error::new(
        Status::FailedPrecondition,
        "FAILED_PRECONDITION",
        "No carrier is set up to buy numbers from. Use a virtual number, or have an operator enter yours.",
    )
}
