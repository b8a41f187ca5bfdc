//! From an event to a stored delivery.

use std::sync::Arc;

use protocol::delivered::is_delivered;
use protocol::ports::Unit;
use protocol::{Context, Error, Event, Result, Row, Scope, Status, View, time};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Webhooks;
use super::api::SendWebhook;
use crate::customer::api::{CUSTOMER, Profile, ReadProfile};

const JSON: &str = "application/json";
const METHODS: [&str; 4] = ["POST", "PUT", "GET", "DELETE"];
/// The longest address and content type that are stored, in bytes.
const LONGEST: usize = 2048;

/// What customers get, in VoIPBIN's order.
#[derive(Serialize)]
struct Envelope<'e> {
    r#type: &'e str,
    data: View<'e>,
}

pub(super) fn is_for_a_customer(event: &Event) -> bool {
    is_delivered(&event.publisher, &event.r#type) && event.customer_id().is_some()
}

/// Stores the delivery of an event to its customer's address. Again for the same event, it is there already.
pub(super) async fn deliver(state: Arc<Webhooks>, event: Arc<Event>) -> Result<()> {
    let Some(customer) = event.customer_id() else { return Ok(()) };
    // what no domain declares has no view, and what has no view does not leave
    let Some(entry) = state.deps.catalog()?.named(&event.resource) else { return Ok(()) };
    let Some(target) = state.targets.of(&state.deps, customer).await? else { return Ok(()) };
    let envelope = Envelope { r#type: &event.r#type, data: entry.resource.view(&event.data) };
    let body = serde_json::to_string(&envelope).map_err(Error::internal)?;
    let row = row([
        ("id", json!(id_of(event.id, &target.webhook_uri))),
        ("event_id", json!(event.id)),
        ("event_type", json!(event.r#type)),
        ("url", json!(target.webhook_uri)),
        ("method", json!(method(&target.webhook_method)?)),
        ("content_type", json!(JSON)),
        ("signed", json!(true)),
        ("body", json!(body)),
    ]);
    store(&state, customer, row).await.map(drop)
}

pub(super) async fn send(state: Arc<Webhooks>, _: Context, command: SendWebhook) -> Result<Uuid> {
    let SendWebhook { customer_id, uri, data_type, data, key, .. } = command;
    if uri.is_empty() || uri.len() > LONGEST || data_type.len() > LONGEST {
        return Err(Error::invalid(format!("uri must have 1 to {LONGEST} bytes")));
    }
    let row = row([
        ("id", json!(id_of(key.unwrap_or_default(), &uri))),
        ("url", json!(uri)),
        ("method", json!(method(&command.method)?)),
        ("content_type", json!(if data_type.is_empty() { JSON } else { &data_type })),
        ("body", json!(data)),
    ]);
    store(&state, customer_id, row).await
}

/// Stores it with the timer that is its life insurance, and hands it over.
async fn store(state: &Webhooks, customer: Uuid, mut row: Row) -> Result<Uuid> {
    let id = row.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let id: Uuid = id.ok_or_else(|| Error::internal("a delivery without an id"))?;
    row.insert("customer_id".to_owned(), json!(customer));
    row.insert("status".to_owned(), json!("pending"));
    row.insert("tm_next".to_owned(), json!(time::stamp(state.deps.clock.now())));
    let mut unit = Unit { timers: vec![state.lease(id)], ..Unit::default() };
    state.rows().record(&mut unit, row);
    match state.deps.store.commit(unit).await {
        Ok(()) => state.desk.offer(customer, id),
        Err(error) if error.status == Status::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(id)
}

/// `None`: the customer is gone.
pub(super) async fn profile(state: &Webhooks, customer: Uuid) -> Result<Option<Profile>> {
    let by = Context::own(Scope::Customer(customer));
    match state.deps.ask(&CUSTOMER, customer, ReadProfile {}, &by).await {
        Ok(profile) if profile.status == "deleted" => Ok(None),
        Ok(profile) => Ok(Some(profile)),
        Err(error) if error.status == Status::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// One delivery per event and address. What has no id of its own is always new.
fn id_of(of: Uuid, url: &str) -> Uuid {
    if of.is_nil() { Uuid::now_v7() } else { Uuid::new_v5(&of, url.as_bytes()) }
}

fn method(name: &str) -> Result<&'static str> {
    let wanted = if name.is_empty() { "POST" } else { name };
    let known = METHODS.into_iter().find(|method| *method == wanted);
    known.ok_or_else(|| Error::invalid(format!("method must be one of {METHODS:?}")))
}

fn row<const N: usize>(fields: [(&str, Value); N]) -> Row {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_one_delivery_per_address() {
        let event = Uuid::max();
        assert_eq!(id_of(event, "https://a"), id_of(event, "https://a"));
        assert_ne!(id_of(event, "https://a"), id_of(event, "https://b"));
        assert_ne!(id_of(Uuid::nil(), "https://a"), id_of(Uuid::nil(), "https://a"));
    }

    #[test]
    fn an_empty_method_is_post() {
        for (name, expected) in [("", Some("POST")), ("PUT", Some("PUT")), ("put", None), ("PATCH", None)] {
            assert_eq!(method(name).ok(), expected, "{name}");
        }
    }

    #[test]
    fn the_envelope_is_type_and_data() {
        let row = Row::from_iter([("id".to_owned(), json!(1))]);
        let data = CUSTOMER.view(&row);
        let text = serde_json::to_string(&Envelope { r#type: "call_hangup", data }).expect("json");
        assert_eq!(text, r#"{"type":"call_hangup","data":{"id":1}}"#);
    }
}
