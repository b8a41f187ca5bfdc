//! A full disk, by way of SQLite's own limit on the pages of a database.

use protocol::Status;
use protocol::ports::{Entry, Journal, Store as _, Unit};
use serde_json::json;
use uuid::Uuid;

use super::{SqlStore, Sqlite, SqliteOptions};
use crate::open::Scratch;

fn put(id: Uuid) -> Unit {
    let data = json!("x".repeat(20_000)).to_string();
    let entry = Entry { kind: "call", id, parent: Uuid::nil(), node: String::new(), data };
    Unit { journal: vec![Journal::Put(entry)], ..Unit::default() }
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_says_so_until_there_is_room() {
    let path = std::env::temp_dir().join(format!("branchline-full-{}.db", Uuid::now_v7()));
    let options = SqliteOptions { path: path.clone(), synchronous: "FULL", most_pages: Some(100) };
    let store = SqlStore::<Sqlite>::start(options, 1, "node", &[]).await.expect("a store");
    let store = store.with_scratch(Scratch::of(path));

    let mut stored = Vec::new();
    let error = loop {
        let id = Uuid::now_v7();
        match store.commit(put(id)).await {
            Ok(()) => stored.push(id),
            Err(error) => break error,
        }
    };
    assert!(!stored.is_empty() && stored.len() < 100);
    assert_eq!((error.status, error.reason.as_ref()), (Status::Unavailable, "DISK_FULL"), "{error}");
    assert_eq!(store.journal("call", None).await.expect("entries").len(), stored.len());

    let erase = stored.iter().map(|id| Journal::Erase { kind: "call", id: *id }).collect();
    store.commit(Unit { journal: erase, ..Unit::default() }).await.expect("room");
    store.commit(put(Uuid::now_v7())).await.expect("stored");
    store.close().await;
}
