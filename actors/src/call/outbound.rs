//! What a customer may dial, and as whom.

use std::sync::Arc;

use protocol::ports::{Filter, Unit};
use protocol::{Address, Context, Error, Event, Result, Row, Scope, Status, read};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::calls::{Calls, patch};
use super::country;
use crate::customer::api::{CUSTOMER, ReadProfile};
use crate::number::api::{FindNumber, NUMBER};

#[derive(Deserialize)]
struct Config {
    destination_whitelist: Vec<String>,
    default_outgoing_source_number_id: Uuid,
}

/// The address that a call to `number` is placed from, or why it may not be placed.
pub(super) async fn permit(calls: &Calls, by: &Context, source: &Address, number: &str) -> Result<Address> {
    if !(number.starts_with('+') && (8..=16).contains(&number.len())) {
        return Err(Error::invalid("a telephone destination must be E.164, such as +15551234567"));
    }
    let row = calls.outbound_rows().find(by.scope, Filter::default()).await?;
    let config: Option<Config> = row.as_ref().map(read).transpose()?;
    let list = config.as_ref().map(|config| config.destination_whitelist.as_slice()).unwrap_or_default();
    let allowed = match list {
        [] => calls.deps.settings.destinations.iter().any(|code| country::has_code(number, code)),
        list => list.iter().any(|iso| country::is_in(number, iso)),
    };
    if !allowed {
        refused(calls, by, number).await?;
        let message = "The destination's country is not in the customer's destination_whitelist.";
        return Err(Error::new(Status::PermissionDenied, "DESTINATION_NOT_ALLOWED", message));
    }
    let default = config.map(|config| config.default_outgoing_source_number_id).unwrap_or_default();
    own_number(calls, by, source, default).await
}

/// The source as given if it is one of the customer's numbers, else its default number.
async fn own_number(calls: &Calls, by: &Context, source: &Address, default: Uuid) -> Result<Address> {
    if source.is_tel() && is_own(calls, by, &source.target).await? {
        return Ok(source.clone());
    }
    if !default.is_nil() {
        let row = calls.deps.op(&NUMBER, protocol::Op::Get(default), Value::Null, by).await?;
        let number = row.get("number").and_then(Value::as_str).unwrap_or_default();
        if is_own(calls, by, number).await? {
            return Ok(Address { r#type: "tel".into(), target: number.into(), ..source.clone() });
        }
    }
    let message = "source must be an active telephone number of the customer";
    Err(Error::new(Status::InvalidArgument, "SOURCE_NOT_OWNED", message))
}

async fn is_own(calls: &Calls, by: &Context, number: &str) -> Result<bool> {
    let own = by.customer()?;
    let found = calls.deps.ask_all(&NUMBER, FindNumber { number: number.to_owned() }, by).await?;
    Ok(found.is_some_and(|f| f.customer_id == own && f.status == "active" && f.r#type == "normal"))
}

async fn refused(calls: &Calls, by: &Context, number: &str) -> Result<()> {
    let mut fact = calls.rows().fact("", &Arc::default(), by);
    fact.r#type = "call.outbound_whitelist_rejected".into();
    fact.data = Arc::new(patch([("customer_id", json!(by.customer()?)), ("destination", json!(number))]));
    calls.deps.store.commit(Unit { events: vec![fact], ..Unit::default() }).await
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    customer_id: Uuid,
}

/// One row per customer; a second one is refused. An operator says for whom it is.
pub(super) async fn create(calls: Arc<Calls>, by: Context, mut row: Row) -> Result<Value> {
    let customer = by.scope.customer().unwrap_or(read::<Wanted>(&row)?.customer_id);
    if customer.is_nil() {
        return Err(Error::invalid("customer_id is required"));
    }
    let by = Context { scope: Scope::Customer(customer), ..by };
    calls.deps.ask(&CUSTOMER, customer, ReadProfile {}, &by).await?;
    row.insert("id".into(), json!(config_id(customer)));
    calls.outbound_rows().insert(row, &by).await.map(Value::Object)
}

pub(super) async fn customer_deleted(calls: Arc<Calls>, event: Arc<Event>) -> Result<()> {
    calls.outbound_rows().delete_all(event.row_id()?).await
}

pub(super) async fn customer_created(calls: Arc<Calls>, event: Arc<Event>) -> Result<()> {
    let by = Context::own(Scope::Customer(event.row_id()?));
    match create(calls, by, Row::new()).await {
        Err(error) if error.status != Status::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn config_id(customer: Uuid) -> Uuid {
    Uuid::new_v5(&customer, b"outbound_config")
}

/// `destination_whitelist`: ISO 3166 alpha-2, lower case, each once.
pub(super) fn countries(value: &Value) -> Result<()> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut seen = std::collections::HashSet::new();
    for entry in list {
        let iso = entry.as_str().unwrap_or_default();
        if !country::is_known(iso) {
            return Err(Error::invalid(format!(
                "must hold lower-case ISO 3166 codes such as \"us\", not {entry}"
            )));
        }
        if !seen.insert(iso) {
            return Err(Error::invalid(format!("must hold each country once; {iso} is there twice")));
        }
    }
    Ok(())
}

/// A comma separated list of codec names.
pub(super) fn codecs(value: &Value) -> Result<()> {
    let text = value.as_str().unwrap_or_default();
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if text.len() <= 255 && (text.is_empty() || text.split(',').all(|name| plain(name.trim()))) {
        return Ok(());
    }
    Err(Error::invalid("must be at most 255 characters of codec names separated by commas"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whitelist_holds_known_countries_once() {
        assert!(countries(&json!(["us", "de"])).is_ok());
        for bad in [json!(["US"]), json!(["xx"]), json!(["us", "us"]), json!([1])] {
            assert!(countries(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn codecs_cannot_smuggle_headers() {
        assert!(codecs(&json!("PCMU, PCMA,telephone-event")).is_ok());
        for bad in ["PCMU,", "PC MU", "a\r\nX: y", "a;b"] {
            assert!(codecs(&json!(bad)).is_err(), "{bad}");
        }
    }
}
