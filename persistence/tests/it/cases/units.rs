//! Several changes that are one, and many units at once.

use std::sync::Arc;

use futures_util::future::join_all;
use protocol::Status;
use protocol::ports::{Entry, Journal, Pending, Store, Timer, Unit};
use serde_json::json;
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use crate::sample::{call, fact, get, id, insert, told, unit, update, write};

pub(super) async fn all_or_nothing(store: Arc<dyn Store>) {
    let (old, one, two) = (call(Uuid::nil(), 1), call(Uuid::nil(), 2), call(Uuid::nil(), 3));
    write(&store, insert(&old), "start").await.unwrap();
    let entry =
        Entry { kind: "call", id: id(&one), parent: Uuid::nil(), node: String::new(), data: "{}".into() };
    let timer = Timer {
        id: Uuid::now_v7(),
        at: protocol::time::parse("2026-01-02T03:04:05Z").unwrap(),
        resource: "call".into(),
        verb: "hangup".into(),
        target: id(&one),
        body: json!({}),
    };
    let whole = |rev| Unit {
        writes: vec![insert(&one), insert(&two), update(id(&old), rev, json!({"status": "up"}))],
        events: vec![fact("first"), fact("second")],
        journal: vec![Journal::Put(entry.clone())],
        timers: vec![Pending::Set(timer.clone())],
        ..Unit::default()
    };
    assert!(store.commit(whole(7)).await.unwrap_err().is_conflict());
    assert!(get(&store, id(&one)).await.is_none() && get(&store, id(&two)).await.is_none());
    assert!(store.journal("call", None).await.unwrap().is_empty());
    assert!(store.timers(9).await.unwrap().is_empty());
    assert_eq!(told(&store).await, ["start"]);

    store.commit(whole(0)).await.unwrap();
    assert!(get(&store, id(&one)).await.is_some() && get(&store, id(&two)).await.is_some());
    assert_eq!(store.journal("call", None).await.unwrap(), std::slice::from_ref(&entry));
    assert_eq!(store.timers(9).await.unwrap(), std::slice::from_ref(&timer));
    assert_eq!(told(&store).await, ["start", "first", "second"]);
    store.commit(Unit::default()).await.unwrap();
}

/// Sent at once, so that they share transactions: every second one fails at its last row.
pub(super) async fn neighbours_go_on(store: Arc<dyn Store>) {
    let taken = call(Uuid::nil(), 0);
    write(&store, insert(&taken), "start").await.unwrap();
    let commits = (0..100).map(|n| {
        let mut writes = vec![insert(&call(Uuid::nil(), n)), insert(&call(Uuid::nil(), n))];
        writes.extend((n % 2 == 1).then(|| insert(&taken)));
        let (store, unit) = (store.clone(), unit(writes, n));
        tokio::spawn(async move { store.commit(unit).await })
    });
    let outcomes = join_all(commits.collect::<Vec<_>>()).await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let status = outcome.unwrap().map_err(|error| error.status);
        assert_eq!(status, if n % 2 == 1 { Err(Status::AlreadyExists) } else { Ok(()) });
    }
    let count = store.count(&crate::sample::CALL, protocol::Scope::Platform, &Default::default()).await;
    assert_eq!(count.unwrap(), 101);
    let mut told = told(&store).await;
    told.sort_by_key(|n| n.parse::<u32>().unwrap_or(0));
    assert_eq!(told.len(), 51);
    assert!(told.iter().all(|n| n == "start" || n.parse::<u32>().unwrap().is_multiple_of(2)));
}

/// A row has its event or neither exists, and the writer lives on.
pub(super) async fn callers_may_leave(store: Arc<dyn Store>) {
    let calls: Vec<_> = (0..500).map(|n| call(Uuid::nil(), n)).collect();
    let tasks = calls.iter().zip(0..).map(|(call, n)| {
        let (store, call) = (store.clone(), call.clone());
        tokio::spawn(async move {
            let patience = Duration::from_micros(37 * n);
            timeout(patience, write(&store, insert(&call), id(&call))).await.is_ok_and(|done| done.is_ok())
        })
    });
    let acknowledged = join_all(tasks.collect::<Vec<_>>()).await;
    write(&store, insert(&call(Uuid::nil(), 0)), "end").await.unwrap();
    let told = told(&store).await;
    let mut stored = 0;
    for (call, acknowledged) in calls.iter().zip(acknowledged) {
        let found = get(&store, id(call)).await.is_some();
        assert!(found || !acknowledged.unwrap(), "an acknowledged row is lost");
        assert_eq!(found, told.contains(&id(call).to_string()), "a row without its event, or the reverse");
        stored += usize::from(found);
    }
    assert_eq!(told.len(), stored + 1);
}

pub(super) async fn closed_is_unavailable(store: Arc<dyn Store>) {
    let accepted = (0..50).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { write(&store, insert(&call(Uuid::nil(), n)), n).await })
    });
    let accepted: Vec<_> = accepted.collect();
    store.health().await.unwrap();
    tokio::join!(store.close(), store.close());
    for answer in join_all(accepted).await {
        let answer = answer.unwrap().map_err(|error| error.status);
        assert!(matches!(answer, Ok(()) | Err(Status::Unavailable)), "{answer:?}");
    }
    let write = write(&store, insert(&call(Uuid::nil(), 1)), "late").await.unwrap_err();
    let read = store.timers(1).await.unwrap_err();
    let health = store.health().await.unwrap_err();
    for error in [write, read, health] {
        assert_eq!((error.status, error.message.as_str()), (Status::Unavailable, "the store is closed"));
    }
}

/// Each is stored behind what was given before it, whoever waits for which of them.
pub(super) async fn in_company(store: Arc<dyn Store>) {
    let joins = |event| Unit { joins: true, ..unit(Vec::new(), event) };
    store.commit(joins("alone")).await.unwrap();
    store.commit_soon(unit(Vec::new(), "left")).await.unwrap();
    let (second, third) =
        tokio::join!(store.commit(joins("joins")), store.commit(unit(Vec::new(), "begins")));
    second.and(third).unwrap();
    let types: Vec<_> =
        store.outbox(0, 9).await.unwrap().iter().map(|(_, event)| event.r#type.clone()).collect();
    assert_eq!(types, ["alone", "left", "joins", "begins"]);
    store.commit_soon(unit(Vec::new(), "left alone")).await.unwrap();
    let mut committed = store.committed();
    while store.outbox(0, 9).await.unwrap().len() < 5 {
        committed.changed().await.unwrap();
    }
}
