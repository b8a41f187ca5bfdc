//! The story of the platform: every fact, noted from the outbox, many at once, a moment after it became true.
//!
//! Nothing is missing in it: the outbox keeps a fact until it is noted. Only its view is noted: what may not leave the
//! platform is not kept for a year either.

use std::sync::Arc;

use protocol::ports::{Clock, Deps, Unit, Write};
use protocol::{Event, Field, Ops, Resource, Result, Row, Status, time};
use serde_json::{Value, json};
use uuid::Uuid;

/// One event. Its id is the event's; its `tm_create` is when the change was made.
pub static TIMELINE_EVENT: Resource = Resource::new(
    "timeline_event",
    "timeline_events",
    &[
        Field::text("event_type").filter(),
        Field::text("publisher").filter(),
        Field::text("resource_type").filter(),
        Field::id("resource_id").filter(),
        Field::id("activeflow_id").filter(),
        Field::json("data"),
    ],
)
.ops(Ops::NONE);

/// Notes facts that the outbox has, and has it forget those that are delivered. All or nothing, unless one of the facts
/// cannot be noted: nothing waits for that one.
pub(super) async fn settle(deps: &Deps, facts: &[Arc<Event>], delivered: Vec<i64>) -> Result<()> {
    let writes = facts.iter().map(|event| of_catalog(deps, event)).collect::<Result<_>>()?;
    match deps.store.commit(Unit { writes, delivered: delivered.clone(), ..Unit::default() }).await {
        Err(error) if error.status != Status::Unavailable && !facts.is_empty() => {
            for event in facts {
                alone(deps, event).await?;
            }
            deps.store.commit(Unit { delivered, ..Unit::default() }).await
        }
        outcome => outcome,
    }
}

async fn alone(deps: &Deps, event: &Event) -> Result<()> {
    let unit = Unit { writes: vec![of_catalog(deps, event)?], ..Unit::default() };
    match deps.store.commit(unit).await {
        Err(error) if error.status != Status::Unavailable => {
            tracing::error!(event = %event.r#type, id = %event.id, %error, "a fact has no entry in the timeline");
            Ok(())
        }
        outcome => outcome,
    }
}

fn of_catalog(deps: &Deps, event: &Event) -> Result<Write> {
    let declared = deps.catalog()?.named(&event.resource).map(|entry| entry.resource);
    Ok(noted(&*deps.clock, declared, event))
}

/// An event that was noted before stays as it was noted.
pub(crate) fn noted(clock: &dyn Clock, resource: Option<&Resource>, event: &Event) -> Write {
    let mut row = entry(resource, event);
    row.entry("id").or_insert_with(|| json!(Uuid::now_v7()));
    row.entry("tm_create").or_insert_with(|| json!(time::stamp(clock.now())));
    row.insert("rev".to_owned(), json!(1));
    TIMELINE_EVENT.fill(&mut row);
    Write::Record { resource: &TIMELINE_EVENT, row }
}

/// The entry of an event. What no domain declares has no view.
fn entry(resource: Option<&Resource>, event: &Event) -> Row {
    let view = resource.map_or(Value::Null, |resource| json!(resource.view(&event.data)));
    let mut row = Row::from_iter([
        ("customer_id".to_owned(), json!(event.customer_id().unwrap_or_default())),
        ("event_type".to_owned(), json!(event.r#type)),
        ("publisher".to_owned(), json!(event.publisher)),
        ("resource_type".to_owned(), json!(resource.map_or(&*event.resource, |resource| resource.name))),
        ("resource_id".to_owned(), json!(event.row_id().unwrap_or_default())),
        ("activeflow_id".to_owned(), json!(activeflow_of(event))),
        ("data".to_owned(), view),
    ]);
    // services of VoIPBIN send neither
    if !event.id.is_nil() {
        row.insert("id".to_owned(), json!(event.id));
    }
    if let Some(at) = time::parse(&event.time) {
        row.insert("tm_create".to_owned(), json!(time::stamp(at)));
    }
    row
}

/// The run of a flow that the event belongs to.
fn activeflow_of(event: &Event) -> Uuid {
    let field = if event.resource == "activeflow" { "id" } else { "activeflow_id" };
    let id = event.data.get(field).and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    static CALL: Resource = Resource::new(
        "call",
        "calls",
        &[Field::id("activeflow_id"), Field::text("node").internal(), Field::text("password").secret()],
    );

    fn event(resource: &str) -> Event {
        let data = json!({
            "id": Uuid::from_u128(1), "customer_id": Uuid::from_u128(2), "activeflow_id": Uuid::from_u128(3),
            "node": "a", "password": "p", "other": 1,
        });
        let Value::Object(data) = data else { unreachable!() };
        Event {
            r#type: "call_hangup".into(),
            publisher: "call-manager".into(),
            data_type: "application/json".into(),
            data,
            id: Uuid::from_u128(9),
            time: "2026-01-01T00:00:00.5Z".into(),
            resource: resource.into(),
            about: uuid::Uuid::nil(),
            request_id: String::new(),
        }
    }

    #[test]
    fn an_entry_holds_the_view_and_the_events_own_id_and_time() {
        let row = entry(Some(&CALL), &event("call"));
        assert_eq!(row["id"], json!(Uuid::from_u128(9)));
        assert_eq!(row["tm_create"], json!("2026-01-01T00:00:00.500000Z"));
        assert_eq!(row["customer_id"], json!(Uuid::from_u128(2)));
        assert_eq!(row["activeflow_id"], json!(Uuid::from_u128(3)));
        let kept: Vec<_> = row["data"].as_object().expect("a view").keys().collect();
        assert_eq!(kept, ["activeflow_id", "customer_id", "id"]);
    }

    #[test]
    fn what_no_domain_declares_is_noted_without_its_data() {
        let row = entry(None, &event("mystery"));
        assert_eq!((&row["data"], &row["resource_type"]), (&json!(null), &json!("mystery")));
    }

    #[test]
    fn a_run_belongs_to_itself_and_to_its_customer() {
        let row = entry(None, &event("activeflow"));
        assert_eq!(row["activeflow_id"], json!(Uuid::from_u128(1)));
        assert_eq!(entry(None, &event("customer"))["customer_id"], json!(Uuid::from_u128(1)));
    }
}
