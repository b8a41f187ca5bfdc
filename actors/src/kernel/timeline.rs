//! The story of the platform: every fact, noted from the outbox, many at once, a moment after it became true.
//!
//! Nothing is missing in it: the outbox keeps a fact until it is noted. Only its view is noted: what may not leave the
//! platform is not kept for a year either.

use std::sync::Arc;

use protocol::ports::{Bound, Clock, Deps, Unit, Write};
use protocol::{Event, Field, Ops, Resource, Result, Status, time};
use serde_json::Value;
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

/// The entry of an event: one that was noted before stays as it was noted. What no domain declares has no view.
pub(crate) fn noted(clock: &dyn Clock, resource: Option<&Resource>, event: &Event) -> Write {
    // services of VoIPBIN send neither an id nor a time
    let id = if event.id.is_nil() { Uuid::now_v7() } else { event.id };
    let at = time::parse(&event.time).unwrap_or_else(|| clock.now());
    let view = resource.map_or(Bound::Null, |resource| Bound::json(&resource.view(&event.data)));
    let values = vec![
        ("id", id.into()),
        ("customer_id", event.customer_id().unwrap_or_default().into()),
        ("tm_create", at.into()),
        ("tm_update", Bound::Null),
        ("tm_delete", Bound::Null),
        ("rev", Bound::Int(1)),
        ("event_type", event.r#type.as_str().into()),
        ("publisher", event.publisher.as_str().into()),
        ("resource_type", resource.map_or(&*event.resource, |resource| resource.name).into()),
        ("resource_id", event.row_id().unwrap_or_default().into()),
        ("activeflow_id", activeflow_of(event).into()),
        ("data", view),
    ];
    Write::Record { resource: &TIMELINE_EVENT, values }
}

/// The run of a flow that the event belongs to.
fn activeflow_of(event: &Event) -> Uuid {
    let field = if event.resource == "activeflow" { "id" } else { "activeflow_id" };
    let id = event.data.get(field).and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use protocol::ports::SystemClock;
    use serde_json::json;

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
            data: data.into(),
            id: Uuid::from_u128(9),
            time: "2026-01-01T00:00:00.5Z".into(),
            resource: resource.into(),
            about: uuid::Uuid::nil(),
            request_id: String::new(),
        }
    }

    fn entry(resource: Option<&Resource>, event: &Event) -> HashMap<&'static str, Bound> {
        match noted(&SystemClock, resource, event) {
            Write::Record { values, .. } => values.into_iter().collect(),
            Write::Insert { .. } | Write::Update { .. } => unreachable!("it is a record"),
        }
    }

    #[test]
    fn an_entry_holds_the_view_and_the_events_own_id_and_time() {
        let row = entry(Some(&CALL), &event("call"));
        assert_eq!(row["id"], Uuid::from_u128(9).into());
        assert_eq!(row["tm_create"], time::parse("2026-01-01T00:00:00.5Z").expect("a time").into());
        assert_eq!(row["customer_id"], Uuid::from_u128(2).into());
        assert_eq!(row["activeflow_id"], Uuid::from_u128(3).into());
        let Bound::Text(view) = &row["data"] else { panic!("no view") };
        let view: protocol::Row = serde_json::from_str(view).expect("JSON");
        assert_eq!(view.keys().collect::<Vec<_>>(), ["activeflow_id", "customer_id", "id"]);
    }

    #[test]
    fn what_no_domain_declares_is_noted_without_its_data() {
        let row = entry(None, &event("mystery"));
        assert_eq!((&row["data"], &row["resource_type"]), (&Bound::Null, &"mystery".into()));
    }

    #[test]
    fn a_run_belongs_to_itself_and_to_its_customer() {
        let row = entry(None, &event("activeflow"));
        assert_eq!(row["activeflow_id"], Uuid::from_u128(1).into());
        assert_eq!(entry(None, &event("customer"))["customer_id"], Uuid::from_u128(1).into());
    }
}
