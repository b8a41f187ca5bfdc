//! The journal of live things.

use std::sync::Arc;

use protocol::ports::{Entry, Journal, Store, Unit};
use serde_json::{Value, json};
use uuid::Uuid;

fn entry(kind: &'static str, parent: Uuid, node: &str, data: Value) -> Entry {
    Entry { kind, id: Uuid::new_v4(), parent, node: node.into(), data: data.to_string() }
}

async fn change(store: &Arc<dyn Store>, journal: Vec<Journal>) {
    store.commit(Unit { journal, ..Unit::default() }).await.unwrap();
}

pub(super) async fn entries(store: Arc<dyn Store>) {
    let parent = Uuid::now_v7();
    let first = entry("dialog", parent, "a", json!({"cseq": 1, "b": 2, "a": [null]}));
    let second = entry("dialog", parent, "b", Value::Null);
    let third = entry("dialog", Uuid::nil(), "a", json!("x"));
    // the same id in another kind is another entry
    let other = Entry { kind: "flow", ..first.clone() };
    let puts = [&first, &second, &third, &other].map(|entry| Journal::Put(entry.clone()));
    change(&store, puts.to_vec()).await;

    let all = [first.clone(), second.clone(), third.clone()];
    assert_eq!(store.journal("dialog", None).await.unwrap(), all);
    assert_eq!(store.journal("dialog", Some("a")).await.unwrap(), [first.clone(), third.clone()]);
    assert_eq!(store.journal("dialog", Some("c")).await.unwrap(), []);
    assert_eq!(store.children("dialog", parent).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(store.entry("flow", first.id).await.unwrap(), Some(other.clone()));

    // a put replaces the entry and keeps its place and its parent
    let moved = Entry { node: "b".into(), data: json!({"cseq": 2}).to_string(), ..first.clone() };
    change(&store, vec![Journal::Put(moved.clone())]).await;
    assert_eq!(store.entry("dialog", first.id).await.unwrap(), Some(moved.clone()));
    assert_eq!(store.journal("dialog", Some("b")).await.unwrap(), [moved.clone(), second.clone()]);
    assert_eq!(store.children("dialog", parent).await.unwrap(), [moved, second]);

    let erase = Journal::Erase { kind: "dialog", id: first.id };
    change(&store, vec![erase.clone(), erase]).await;
    assert_eq!(store.entry("dialog", first.id).await.unwrap(), None);
    assert_eq!(store.entry("flow", first.id).await.unwrap(), Some(other));
    assert_eq!(store.journal("dialog", Some("a")).await.unwrap(), [third]);
}
