//! Timers.

use std::sync::Arc;

use protocol::ports::{Pending, Store, Timer, Unit};
use serde_json::json;
use uuid::Uuid;

pub(super) fn timer(at: &str) -> Timer {
    Timer {
        id: Uuid::new_v4(),
        at: protocol::time::parse(at).unwrap(),
        resource: "call".into(),
        verb: "hangup".into(),
        target: Uuid::now_v7(),
        body: json!({"reason": "timeout"}),
    }
}

async fn change(store: &Arc<dyn Store>, timers: Vec<Pending>) {
    store.commit(Unit { timers, ..Unit::default() }).await.unwrap();
}

pub(super) async fn timers(store: Arc<dyn Store>) {
    let [late, early, past] =
        ["2026-01-02T03:04:05.000002Z", "2026-01-02T03:04:05.000001Z", "1969-01-02T03:04:05Z"].map(timer);
    change(&store, [&late, &early, &past].map(|timer| Pending::Set(timer.clone())).to_vec()).await;
    assert_eq!(store.timers(9).await.unwrap(), [past.clone(), early.clone(), late.clone()]);
    assert_eq!(store.timers(1).await.unwrap(), std::slice::from_ref(&past));

    let moved = Timer { at: protocol::time::parse("2027-01-01T00:00:00Z").unwrap(), ..past.clone() };
    change(&store, vec![Pending::Set(moved.clone()), Pending::Cancel(early.id)]).await;
    assert_eq!(store.timers(9).await.unwrap(), [late, moved.clone()]);
    change(&store, vec![Pending::Cancel(early.id), Pending::Cancel(moved.id)]).await;
    assert_eq!(store.timers(9).await.unwrap().len(), 1);
}
