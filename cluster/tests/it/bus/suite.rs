//! What holds for every bus. Two handles stand for two nodes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use protocol::ports::{Bus, Subscription};
use protocol::{Event, Status};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;

use super::peers::{Follower, Got, Server, event, number, request};

/// Everything that must happen, happens by then.
const SOON: Duration = Duration::from_secs(15);
/// What is refused at once takes no longer, on a busy machine too.
const AT_ONCE: Duration = Duration::from_secs(2);
const QUEUE: &str = "bin-manager.test-manager.request";

pub(crate) struct Pair {
    pub(crate) here: Arc<dyn Bus>,
    pub(crate) there: Arc<dyn Bus>,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Pair) -> BoxFuture<'static, ()>,
}

fn case(name: &'static str, run: fn(Pair) -> BoxFuture<'static, ()>) -> Case {
    Case { name, run }
}

pub(crate) fn all() -> Vec<Case> {
    vec![
        case("a request crosses nodes as bytes", |pair| a_request_crosses_nodes_as_bytes(pair).boxed()),
        case("a queue that nobody consumes refuses at once", |pair| {
            a_queue_that_nobody_consumes_refuses_at_once(pair).boxed()
        }),
        case("those who wait when the last consumer leaves are refused", |pair| {
            those_who_wait_when_the_last_consumer_leaves_are_refused(pair).boxed()
        }),
        case("requests for a node that is gone come back at once", |pair| {
            requests_for_a_node_that_is_gone_come_back_at_once(pair).boxed()
        }),
        case("consumers that are ready take turns", |pair| consumers_that_are_ready_take_turns(pair).boxed()),
        case("a full server leaves requests in the queue", |pair| {
            a_full_server_leaves_requests_in_the_queue(pair).boxed()
        }),
        case("a request that waited too long is never served", |pair| {
            a_request_that_waited_too_long_is_never_served(pair).boxed()
        }),
        case("a reply is awaited as long as the request says", |pair| {
            a_reply_is_awaited_as_long_as_the_request_says(pair).boxed()
        }),
        case("a panic costs only its own request", |pair| a_panic_costs_only_its_own_request(pair).boxed()),
        case("every queue name gets every event once", |pair| {
            every_queue_name_gets_every_event_once(pair).boxed()
        }),
        case("events of one row keep their order and others do not wait", |pair| {
            events_of_one_row_keep_their_order_and_others_do_not_wait(pair).boxed()
        }),
        case("an event that is refused comes again before the later ones", |pair| {
            an_event_that_is_refused_comes_again_before_the_later_ones(pair).boxed()
        }),
        case("a guard that is dropped ends its subscription", |pair| {
            a_guard_that_is_dropped_ends_its_subscription(pair).boxed()
        }),
        case("watchers see what happens and subscribers may leave", |pair| {
            watchers_see_what_happens_and_subscribers_may_leave(pair).boxed()
        }),
    ]
}

async fn next(got: &mut Got) -> Arc<Event> {
    timeout(SOON, got.recv()).await.expect("an event in time").expect("an event")
}

/// Asks until the answer is as expected.
async fn until<F: Future<Output = bool>>(what: &str, ask: impl Fn() -> F) {
    let limit = Instant::now() + SOON;
    while !ask().await {
        assert!(Instant::now() < limit, "never {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn a_request_crosses_nodes_as_bytes(Pair { here, there }: Pair) {
    let _guard = there.serve(QUEUE, Server::new("there", 8, 8)).await.unwrap();
    let answer = here.ask(QUEUE, request(5000)).await.unwrap();
    assert_eq!(answer.status_code, 200);
    assert_eq!(answer.data, json!({"by": "there", "data": {"name": "ä \u{1F600}"}}));
}

async fn a_queue_that_nobody_consumes_refuses_at_once(Pair { here, there }: Pair) {
    let refused = async || {
        let began = Instant::now();
        let error = here.ask(QUEUE, request(60_000)).await.err()?;
        assert_eq!(error.status, Status::Unavailable);
        assert!(error.message.contains(&format!("nobody serves {QUEUE}")), "{error}");
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        Some(())
    };
    refused().await.expect("there is no such queue");
    let guard = there.serve(QUEUE, Server::new("there", 8, 8)).await.unwrap();
    until("served", async || here.ask(QUEUE, request(5000)).await.is_ok()).await;
    drop(guard);
    until("deserted", async || here.ask(QUEUE, request(300)).await.is_err()).await;
    until("refused by name", async || {
        here.ask(QUEUE, request(5000)).await.is_err_and(|error| error.message.contains("nobody serves"))
    })
    .await;
    refused().await.expect("the queue is there and nobody consumes it");
}

async fn those_who_wait_when_the_last_consumer_leaves_are_refused(Pair { here, there }: Pair) {
    let guard = there.serve(QUEUE, Server::new("full", 0, 0)).await.unwrap();
    let mut asked = JoinSet::new();
    for _ in 0..8 {
        let here = here.clone();
        asked.spawn(async move { here.ask(QUEUE, request(60_000)).await });
    }
    tokio::task::yield_now().await;
    drop(guard);
    while let Some(done) = timeout(SOON, asked.join_next()).await.expect("refused soon") {
        assert_eq!(done.unwrap().unwrap_err().status, Status::Unavailable);
    }
}

async fn requests_for_a_node_that_is_gone_come_back_at_once(Pair { here, there }: Pair) {
    let queue = format!("{QUEUE}.gone");
    let guard = there.serve(&queue, Server::new("there", 8, 8)).await.unwrap();
    until("served", async || here.ask(&queue, request(5000)).await.is_ok()).await;
    drop(guard);
    until("gone", async || here.ask(&queue, request(5000)).await.is_err()).await;
    let (began, mut asked) = (Instant::now(), JoinSet::new());
    for _ in 0..64 {
        let (here, queue) = (here.clone(), queue.clone());
        asked.spawn(async move { here.ask(&queue, request(60_000)).await });
    }
    for refused in asked.join_all().await {
        let refused = refused.unwrap_err();
        assert_eq!(refused.message, format!("nobody serves {queue}"));
        assert!(!refused.is_lost(), "it says nothing about the broker");
    }
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

async fn consumers_that_are_ready_take_turns(Pair { here, there }: Pair) {
    let (first, second, full) = (Server::new("a", 64, 64), Server::new("b", 64, 64), Server::new("c", 0, 0));
    let _a = here.serve(QUEUE, first.clone()).await.unwrap();
    let _b = there.serve(QUEUE, second.clone()).await.unwrap();
    let _c = there.serve(QUEUE, full.clone()).await.unwrap();
    for _ in 0..20 {
        assert_eq!(here.ask(QUEUE, request(20_000)).await.unwrap().status_code, 200);
    }
    let asked = [&first, &second, &full].map(|server| server.asked.load(Ordering::SeqCst));
    assert!(asked[0] >= 5 && asked[1] >= 5, "{asked:?}");
    assert_eq!((asked[0] + asked[1], asked[2]), (20, 0));
}

async fn a_full_server_leaves_requests_in_the_queue(Pair { here, there }: Pair) {
    let (server, other) = (Server::new("a", 2, 0), Server::new("b", 64, 64));
    let _guard = here.serve(QUEUE, server.clone()).await.unwrap();
    let mut asked = JoinSet::new();
    for _ in 0..50 {
        let here = here.clone();
        asked.spawn(async move { here.ask(QUEUE, request(20_000)).await });
    }
    timeout(SOON, server.taken.notified()).await.unwrap();
    let _other = there.serve(QUEUE, other.clone()).await.unwrap();
    for _ in 0..48 {
        let done = timeout(SOON, asked.join_next()).await.expect("the other node takes them").unwrap();
        assert_eq!(done.unwrap().unwrap().status_code, 200);
    }
    server.open.add_permits(50);
    while let Some(done) = asked.join_next().await {
        assert_eq!(done.unwrap().unwrap().status_code, 200);
    }
    let most = server.most.load(Ordering::SeqCst);
    assert!(most <= 2, "{most} at once");
}

async fn a_request_that_waited_too_long_is_never_served(Pair { here, there }: Pair) {
    let server = Server::new("a", 0, 9);
    let _guard = there.serve(QUEUE, server.clone()).await.unwrap();
    let expired = here.ask(QUEUE, request(300)).await.unwrap_err();
    assert_eq!(expired.reason, "REQUEST_TIMEOUT");
    server.places.add_permits(1);
    here.ask(QUEUE, request(5000)).await.unwrap();
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

async fn a_reply_is_awaited_as_long_as_the_request_says(Pair { here, there }: Pair) {
    let server = Server::new("silent", 2, 0);
    let _guard = there.serve(QUEUE, server.clone()).await.unwrap();
    let began = Instant::now();
    let late = timeout(SOON, here.ask(QUEUE, request(400))).await.unwrap().unwrap_err();
    assert_eq!(late.reason, "REQUEST_TIMEOUT");
    assert!(began.elapsed() >= Duration::from_millis(400));
    // its answer comes now, and is nobody's
    server.open.add_permits(2);
    assert_eq!(here.ask(QUEUE, request(5000)).await.unwrap().status_code, 200);
}

async fn a_panic_costs_only_its_own_request(Pair { here, there }: Pair) {
    let _guard = there.serve(QUEUE, Server::new("a", 8, 8)).await.unwrap();
    let panics = protocol::sock::Request { uri: "/panic".into(), ..request(5000) };
    assert_eq!(here.ask(QUEUE, panics).await.unwrap().status_code, 500);
    assert_eq!(here.ask(QUEUE, request(5000)).await.unwrap().status_code, 200);
}

async fn every_queue_name_gets_every_event_once(Pair { here, there }: Pair) {
    let ((a, mut got_a), (b, mut got_b), (c, mut got_c)) =
        (Follower::new(99), Follower::new(99), Follower::new(99));
    let _a = here.subscribe(&Subscription::to_all("shared"), a).await.unwrap();
    let _b = there.subscribe(&Subscription::to_all("shared"), b).await.unwrap();
    let _c = there.subscribe(&Subscription::to_all("alone"), c).await.unwrap();
    for n in 0..20 {
        here.publish(event(Uuid::now_v7(), n)).await.unwrap();
    }
    let mut alone: Vec<u64> = Vec::new();
    for _ in 0..20 {
        alone.push(number(&next(&mut got_c).await));
    }
    let mut shared = Vec::new();
    while shared.len() < 20 {
        let got = async {
            tokio::select! { Some(e) = got_a.recv() => e, Some(e) = got_b.recv() => e }
        };
        shared.push(number(&timeout(SOON, got).await.expect("an event in time")));
    }
    for seen in [&mut alone, &mut shared] {
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..20), "{seen:?}");
    }
    assert!(got_a.try_recv().is_err() && got_b.try_recv().is_err() && got_c.try_recv().is_err());
}

async fn events_of_one_row_keep_their_order_and_others_do_not_wait(Pair { here, there }: Pair) {
    let (follower, mut got) = Follower::new(0);
    let _guard = there.subscribe(&Subscription::to_all("f"), follower.clone()).await.unwrap();
    let (row, other) = (Uuid::now_v7(), Uuid::now_v7());
    let mut published = JoinSet::new();
    let all: Vec<_> = (0..10).map(|n| event(row, n)).chain([event(other, 99)]).collect();
    let bus = here.clone();
    published.spawn(async move {
        let publish = |event| {
            let bus = bus.clone();
            async move { bus.publish(event).await }
        };
        futures_util::future::join_all(all.into_iter().map(publish)).await
    });
    let mut first = [number(&next(&mut got).await), number(&next(&mut got).await)];
    first.sort_unstable();
    assert_eq!(first, [0, 99], "the second row does not wait for the first");
    assert!(got.try_recv().is_err(), "the first row's second event waits for its first");
    follower.open.add_permits(11);
    for n in 1..10 {
        assert_eq!(number(&next(&mut got).await), n);
    }
    let all = timeout(SOON, published.join_next()).await.unwrap().unwrap().unwrap();
    assert!(all.iter().all(Result::is_ok));
}

/// Whether the bus or the publisher tries again is the bus's business; no later event passes meanwhile.
async fn an_event_that_is_refused_comes_again_before_the_later_ones(Pair { here, there }: Pair) {
    let (follower, mut got) = Follower::new(99);
    let _guard = there.subscribe(&Subscription::to_all("f"), follower.clone()).await.unwrap();
    follower.fails.store(true, Ordering::SeqCst);
    let row = Uuid::now_v7();
    let mut published = JoinSet::new();
    published.spawn(async move {
        for n in [1, 2] {
            let event = event(row, n);
            while here.publish(event.clone()).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        }
    });
    for _ in 0..2 {
        assert_eq!(number(&next(&mut got).await), 1);
    }
    follower.fails.store(false, Ordering::SeqCst);
    let mut seen = vec![];
    while seen.last() != Some(&2) {
        seen.push(number(&next(&mut got).await));
    }
    assert!(seen[..seen.len() - 1].iter().all(|n| *n == 1), "{seen:?}");
    timeout(SOON, published.join_all()).await.unwrap();
}

async fn a_guard_that_is_dropped_ends_its_subscription(Pair { here, there }: Pair) {
    let ((gone, mut got_gone), (stays, mut got_stays)) = (Follower::new(99), Follower::new(99));
    let guard = here.subscribe(&Subscription::to_all("f"), gone).await.unwrap();
    here.publish(event(Uuid::now_v7(), 1)).await.unwrap();
    next(&mut got_gone).await;
    drop(guard);
    let _guard = there.subscribe(&Subscription::to_all("f"), stays).await.unwrap();
    // whoever is leaving may still be handed one; the one who stays gets the rest
    until("taken over", async || {
        here.publish(event(Uuid::now_v7(), 2)).await.unwrap();
        sleep(Duration::from_millis(50)).await;
        !got_stays.is_empty()
    })
    .await;
    while got_gone.try_recv().is_ok() {}
    while got_stays.try_recv().is_ok() {}
    here.publish(event(Uuid::now_v7(), 3)).await.unwrap();
    while number(&next(&mut got_stays).await) != 3 {}
    assert!(got_gone.try_recv().is_err());
}

async fn watchers_see_what_happens_and_subscribers_may_leave(Pair { here, there }: Pair) {
    let mut watched = [there.watch().await.unwrap(), there.watch().await.unwrap()];
    let mut own = here.watch().await.unwrap();
    let (follower, _got) = Follower::new(0);
    drop(here.subscribe(&Subscription::to_all("f"), follower).await.unwrap());
    let sent = event(Uuid::now_v7(), 7);
    here.publish(sent.clone()).await.unwrap();
    for watcher in watched.iter_mut().chain([&mut own]) {
        let seen = timeout(SOON, watcher.recv()).await.unwrap().unwrap();
        assert_eq!(seen, sent);
        assert!(!Arc::ptr_eq(&seen, &sent), "it was bytes in between");
    }
    here.health().await.unwrap();
}
