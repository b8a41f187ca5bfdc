//! The resource, rows and events that the tests store.

use std::sync::Arc;

use protocol::ports::{Store, Unit, Write};
use protocol::{Event, Field, Resource, Result, Row, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

/// `order`, `key` and `from` are reserved words somewhere.
pub(crate) static CALL: Resource = Resource::new(
    "call",
    "calls",
    &[
        Field::choice("status", &["dialing", "up"]).filter().initially("dialing"),
        Field::text("from"),
        Field::text("node"),
        Field::text("alias").unique(),
        Field::id("seat_id").unique(),
        Field::int("order"),
        Field::json("key"),
        Field::list("tags"),
        Field::map("meta"),
        Field::bool("muted").filter(),
        Field::id("flow_id").filter(),
        Field::time("tm_ring"),
    ],
);

pub(crate) fn row(value: Value) -> Row {
    let Value::Object(row) = value else { panic!("not an object") };
    row
}

/// A call of `customer`, `n` microseconds after some second.
pub(crate) fn call(customer: Uuid, n: u32) -> Row {
    row(json!({
        "id": Uuid::now_v7(), "customer_id": customer, "tm_create": format!("2026-01-02T03:04:05.{n:06}Z"),
        "tm_update": null, "tm_delete": null, "rev": 0,
        "status": "dialing", "node": "", "from": "+1 \u{1f4de} O'Hara \"\\", "alias": "", "seat_id": Uuid::nil(),
        "order": i64::MIN + i64::from(n), "key": {"b": [1, 2.5, null, "\u{e9}"], "a": {}},
        "tags": ["z", 1, {"y": []}], "meta": {"z": 1, "a": 1.0e2}, "muted": n.is_multiple_of(2),
        "flow_id": Uuid::now_v7(), "tm_ring": "1969-12-31T23:59:59.999999Z",
    }))
}

pub(crate) fn id(row: &Row) -> Uuid {
    row["id"].as_str().unwrap().parse().unwrap()
}

/// A fact whose type tells the events of a test apart.
pub(crate) fn fact(name: impl ToString) -> Event {
    Event {
        r#type: name.to_string(),
        publisher: "call-manager".into(),
        data_type: "application/json".into(),
        data: Arc::new(row(json!({"id": Uuid::now_v7(), "note": "\u{1f4de} 'x'"}))),
        id: Uuid::now_v7(),
        time: "2026-01-02T03:04:05.000000Z".into(),
        resource: "call".into(),
        about: uuid::Uuid::nil(),
        request_id: String::new(),
    }
}

pub(crate) fn insert(row: &Row) -> Write {
    Write::Insert { resource: &CALL, row: Arc::new(row.clone()) }
}

pub(crate) fn update(id: Uuid, rev: i64, patch: Value) -> Write {
    Write::Update { resource: &CALL, id, scope: Scope::Platform, patch: row(patch), rev, after: None }
}

pub(crate) fn unit(writes: Vec<Write>, event: impl ToString) -> Unit {
    Unit { writes, events: vec![fact(event)], ..Unit::default() }
}

/// One change with one event.
pub(crate) async fn write(store: &Arc<dyn Store>, write: Write, event: impl ToString) -> Result<()> {
    store.commit(unit(vec![write], event)).await
}

pub(crate) async fn get(store: &Arc<dyn Store>, id: Uuid) -> Option<Row> {
    store.get(&CALL, Scope::Platform, id).await.unwrap()
}

/// The bus has them.
pub(crate) async fn delivered(store: &Arc<dyn Store>, numbers: &[i64]) {
    let unit = Unit { delivered: numbers.to_vec(), ..Unit::default() };
    store.commit(unit).await.unwrap();
}

/// The types of the events that wait for delivery, in order.
pub(crate) async fn told(store: &Arc<dyn Store>) -> Vec<String> {
    store.outbox(0, 10_000).await.unwrap().into_iter().map(|(_, event)| event.r#type.clone()).collect()
}
