//! Lists: pages and filters.

use std::sync::Arc;

use protocol::ports::{Filter, Store};
use protocol::{Cursor, Page, Row, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sample::{CALL, call, insert, unit, write};

/// 100 rows, seven to a timestamp.
async fn fill(store: &Arc<dyn Store>, customer: Uuid) -> Vec<Row> {
    let mut calls: Vec<_> = (0..100).map(|n| call(customer, n / 7)).collect();
    store.commit(unit(calls.iter().map(insert).collect(), "filled")).await.unwrap();
    calls.sort_by_key(|call| std::cmp::Reverse(place(call)));
    calls
}

fn place(row: &Row) -> (String, String) {
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    (text("tm_create"), text("id"))
}

/// Newest first, ties by id, each row once although new rows arrive.
pub(super) async fn pages_are_stable(store: Arc<dyn Store>) {
    let mine = Uuid::now_v7();
    let expected: Vec<_> = fill(&store, mine).await.iter().map(place).collect();
    fill(&store, Uuid::now_v7()).await;
    let by_scope = (Scope::Customer(mine), Filter::default());
    let by_filter = (Scope::Platform, Filter::by("customer_id", mine.to_string()));
    for (scope, filter) in [by_scope, by_filter] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.list(&CALL, scope, &filter, &Page { size: 9, after }).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Cursor::of(last);
            seen.extend(page.iter().map(place).filter(|(at, _)| !at.ends_with("999999Z")));
            write(&store, insert(&call(mine, 999_999)), "more").await.unwrap();
        }
        assert_eq!(seen, expected);
    }
    // a bare time means strictly older rows
    let after = Some(Cursor::parse("2026-01-02T03:04:05.000001Z").unwrap());
    let (all, page) = (Filter::default(), Page { size: 50, after });
    let oldest = store.list(&CALL, Scope::Customer(mine), &all, &page).await.unwrap();
    assert_eq!(oldest.iter().map(place).collect::<Vec<_>>(), expected[93..]);
}

pub(super) async fn filters_select(store: Arc<dyn Store>) {
    let mine = Uuid::now_v7();
    let calls = fill(&store, mine).await;
    fill(&store, Uuid::now_v7()).await;
    let flow = |at: usize| calls[at]["flow_id"].clone();
    let muted = calls.iter().filter(|call| call["muted"] == true).count();
    let any = |name, values: Vec<Value>| Filter::default().any(name, values);
    for (filter, expected) in [
        (Filter::default(), 100),
        (Filter::by("muted", true), muted),
        (Filter::by("flow_id", flow(5)), 1),
        (Filter::by("flow_id", flow(5)).and("status", "up"), 0),
        (Filter::by("flow_id", Value::Null), 0),
        (Filter::by("tm_delete", Value::Null), 100),
        (Filter::by("status", "DIALING"), 0),
        (any("flow_id", vec![flow(1), flow(2), flow(2), json!(Uuid::now_v7())]), 2),
        (any("flow_id", Vec::new()), 0),
        (any("status", vec![json!("up"), json!("dialing")]).and("muted", true), muted),
    ] {
        let scope = Scope::Customer(mine);
        let rows = store.list(&CALL, scope, &filter, &Page { size: 500, after: None }).await.unwrap();
        assert_eq!(rows.len(), expected, "{filter:?}");
        assert_eq!(store.count(&CALL, scope, &filter).await.unwrap(), expected as u64, "{filter:?}");
    }
    assert_eq!(store.count(&CALL, Scope::Platform, &Filter::default()).await.unwrap(), 200);
    let nulls = any("flow_id", vec![Value::Null]);
    assert!(store.count(&CALL, Scope::Platform, &nulls).await.is_err());
}
