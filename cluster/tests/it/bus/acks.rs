//! Acknowledgements that are put together: none is missing, none is said twice.

use std::sync::atomic::Ordering;

use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use super::peers::{Server, request};
use super::rabbit;
use super::suite::Pair;
use crate::platform::PATIENCE;

const QUEUE: &str = "bin-manager.tag-manager.request";
const MINUTE: u64 = 60_000;
const ALL: usize = 300;
/// What has not begun by then is given back, which happens to most of them more than once.
const LONG: Duration = Duration::from_millis(500);

/// Whether request `number` changes something.
type Changes = fn(usize) -> bool;

/// Has [`ALL`] requests wait at the same time for a server with so many places, and answers them one by one.
async fn answered_one_by_one(pair: &Pair, server: &Server, changes: Changes) {
    let mut asked = JoinSet::new();
    for number in 0..ALL {
        let mut request = request(MINUTE);
        request.method = if changes(number) { "PUT" } else { "GET" }.into();
        let there = pair.there.clone();
        asked.spawn(async move { there.ask(QUEUE, request).await });
    }
    let early = timeout(LONG, asked.join_next()).await;
    assert!(early.is_err(), "nothing can be answered yet: {early:?}");
    for number in 0..ALL {
        server.open.add_permits(1);
        let done = timeout(PATIENCE, asked.join_next()).await.unwrap_or_else(|_| panic!("{number} answered"));
        assert_eq!(done.unwrap().unwrap().unwrap().status_code, 200);
    }
}

/// The broker closes a channel on which something is acknowledged twice, and has again what was not acknowledged.
async fn each_is_acknowledged_once(places: usize, changes: Changes) {
    let Some(pair) = rabbit().await else { return };
    let server = Server::new("a", places, 0);
    let guard = pair.here.serve(QUEUE, server.clone()).await.unwrap();
    let since = pair.here.served_since(QUEUE).await.unwrap();
    answered_one_by_one(&pair, &server, changes).await;
    assert_eq!(server.asked.load(Ordering::SeqCst), ALL, "each was carried out once");
    assert_eq!(pair.here.served_since(QUEUE).await.unwrap(), since, "on the same channel all the time");
    drop(guard);
    let other = Server::new("b", 1, 1);
    let _guard = pair.there.serve(QUEUE, other.clone()).await.unwrap();
    assert_eq!(pair.there.ask(QUEUE, request(MINUTE)).await.unwrap().status_code, 200);
    assert_eq!(other.asked.load(Ordering::SeqCst), 1, "the broker has nothing left of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_and_changes_that_overtake_each_other_are_each_acknowledged_once() {
    each_is_acknowledged_once(ALL, |number| number % 3 == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_are_given_back_and_come_again_are_each_acknowledged_once() {
    each_is_acknowledged_once(8, |_| false).await;
}
