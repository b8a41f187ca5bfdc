//! The outbox.

use std::sync::Arc;

use futures_util::future::join_all;
use protocol::ports::{Pending, Store, Unit};
use protocol::time::Time;
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use super::timers::timer;
use crate::sample::{call, delivered, fact, insert, told, write};

/// A wake that does not come is one that never will.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) async fn order_of_commits(store: Arc<dyn Store>) {
    let first = fact("first");
    store.commit(Unit { events: vec![first.clone(), fact("second")], ..Unit::default() }).await.unwrap();
    let events = store.outbox(0, 9).await.unwrap();
    assert_eq!(*events[0].1, first);

    // every caller sees its own events in its own order, and numbers rise without a repetition
    let callers = (0..20).map(|caller| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..10 {
                write(&store, insert(&call(Uuid::nil(), n)), format!("{caller}.{n}")).await.unwrap();
            }
        })
    });
    join_all(callers.collect::<Vec<_>>()).await.into_iter().for_each(Result::unwrap);
    let events = store.outbox(events[1].0, 1000).await.unwrap();
    assert!(events.len() == 200 && events.is_sorted_by(|(a, _), (b, _)| a < b));
    for caller in 0..20 {
        let prefix = format!("{caller}.");
        let mine = events.iter().filter_map(|(_, event)| event.r#type.strip_prefix(&prefix));
        assert!(mine.eq((0..10).map(|n| n.to_string())));
    }

    // read in parts, forgotten by number
    let parts = store.outbox(events[9].0, 5).await.unwrap();
    assert_eq!(parts.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), numbers(&events[10..15]));
    delivered(&store, &[]).await;
    delivered(&store, &[events[3].0, events[1].0, events[2].0, events[7].0, 1]).await;
    let left = store.outbox(0, 1000).await.unwrap();
    assert_eq!(left.len(), 202 - 4);
    assert!(left.iter().all(|(seq, _)| ![1, 2, 3, 7].map(|at| events[at].0).contains(seq)));
    delivered(&store, &numbers(&left)).await;
    assert!(told(&store).await.is_empty());
}

fn numbers(events: &[(i64, Arc<protocol::Event>)]) -> Vec<i64> {
    events.iter().map(|(seq, _)| *seq).collect()
}

pub(super) async fn commits_wake(store: Arc<dyn Store>) {
    let (mut committed, mut timed) = (store.committed(), store.timed());
    committed.mark_unchanged();
    let due = "2026-01-01T00:00:00Z".parse::<Time>().unwrap();
    store.timers_are_read();
    timed.mark_unchanged();
    let row = Unit { writes: vec![insert(&call(Uuid::nil(), 1))], ..Unit::default() };
    store.commit(row).await.unwrap();
    assert!(!committed.has_changed().unwrap(), "a row alone is nobody's business");
    let event = Unit { events: vec![fact("one")], ..Unit::default() };
    store.commit(event).await.unwrap();
    timeout(LIMIT, committed.changed()).await.unwrap().unwrap();
    let cancelled = Unit { timers: vec![Pending::Cancel(Uuid::now_v7())], ..Unit::default() };
    store.commit(cancelled).await.unwrap();
    assert!(!timed.has_changed().unwrap(), "nothing is due for it");
    let set = Unit { timers: vec![Pending::Set(timer("2026-01-01T00:00:00Z"))], ..Unit::default() };
    store.commit(set).await.unwrap();
    assert_eq!(*timeout(LIMIT, timed.wait_for(|at| *at < Time::MAX_UTC)).await.unwrap().unwrap(), due);
    let later = Unit { timers: vec![Pending::Set(timer("2027-01-01T00:00:00Z"))], ..Unit::default() };
    store.commit(later).await.unwrap();
    assert!(!timed.has_changed().unwrap(), "the first one is known");
    store.timers(9).await.unwrap();
    assert_eq!(*timed.borrow(), due, "somebody else looks at them");
    store.timers_are_read();
    assert_eq!(*timed.borrow(), Time::MAX_UTC, "all are known");
    assert!(!committed.has_changed().unwrap(), "the outbox has nothing to send");
}

pub(super) async fn backlog(store: Arc<dyn Store>) {
    assert_eq!(store.backlog(9).await.unwrap(), (0, None));
    let events = ["first", "second", "third"].map(fact);
    store.commit(Unit { events: events.to_vec(), ..Unit::default() }).await.unwrap();
    let (count, oldest) = store.backlog(9).await.unwrap();
    assert_eq!((count, &*oldest.unwrap()), (3, &events[0]));
    assert_eq!(store.backlog(2).await.unwrap().0, 2, "no further than asked for");
    let first = store.outbox(0, 1).await.unwrap()[0].0;
    delivered(&store, &[first]).await;
    let (count, oldest) = store.backlog(9).await.unwrap();
    assert_eq!((count, &*oldest.unwrap()), (2, &events[1]));
    let load = store.load();
    assert!(load.most > 0 && load.busy + load.idle <= load.most && load.waiting == 0, "{load:?}");
}
