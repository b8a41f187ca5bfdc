//! Two buses on one broker stand for two nodes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use super::*;

const SOON: Duration = Duration::from_secs(5);

fn request(timeout_ms: u64) -> sock::Request {
    sock::Request {
        uri: "/v1/tags?page_size=1&page_token=".into(),
        method: "GET".into(),
        publisher: "test".into(),
        data_type: "application/json".into(),
        data: json!({"name": "ä \u{1F600}"}),
        request_id: "r1".into(),
        customer_id: None,
        timeout_ms: Some(timeout_ms),
    }
}

fn event(row: Uuid, n: u64) -> Arc<Event> {
    Arc::new(Event {
        r#type: "tag_updated".into(),
        publisher: "tag-manager".into(),
        data_type: "application/json".into(),
        data: serde_json::from_value(json!({"id": row, "n": n})).expect("a row"),
        id: Uuid::now_v7(),
        time: "2026-01-02T03:04:05.000006Z".into(),
        resource: "tag".into(),
        about: uuid::Uuid::nil(),
        request_id: String::new(),
    })
}

fn number(event: &Event) -> u64 {
    event.data.get("n").and_then(serde_json::Value::as_u64).expect("n")
}

fn node(broker: &Broker) -> Arc<MemoryBus> {
    Arc::new(MemoryBus::new(broker.clone()))
}

/// Answers with its name, with as many at once as it has places.
struct Server {
    name: &'static str,
    places: Semaphore,
    open: Semaphore,
    asked: AtomicUsize,
    most: AtomicUsize,
    busy: AtomicUsize,
    taken: Notify,
}

impl Server {
    fn new(name: &'static str, places: usize, open: usize) -> Arc<Self> {
        Arc::new(Server {
            name,
            places: Semaphore::new(places),
            open: Semaphore::new(open),
            asked: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            taken: Notify::new(),
        })
    }
}

#[async_trait]
impl Serve for Server {
    async fn ready(&self) {
        drop(self.places.acquire().await);
    }

    async fn serve(&self, request: sock::Request) -> sock::Response {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Error::unavailable("no place")).into();
        };
        self.asked.fetch_add(1, Ordering::SeqCst);
        let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(busy, Ordering::SeqCst);
        self.taken.notify_one();
        self.open.acquire().await.expect("open").forget();
        self.busy.fetch_sub(1, Ordering::SeqCst);
        assert!(request.uri != "/panic", "asked to panic");
        Ok(json!({"by": self.name, "data": request.data})).into()
    }
}

#[tokio::test]
async fn a_request_crosses_nodes_as_bytes() {
    let broker = Broker::default();
    let (here, there) = (node(&broker), node(&broker));
    let _guard = there.serve("q", Server::new("there", 8, 8)).await.expect("serve");
    let answer = here.ask("q", request(5000)).await.expect("an answer");
    assert_eq!(answer.status_code, 200);
    assert_eq!(answer.data, json!({"by": "there", "data": {"name": "ä \u{1F600}"}}));
}

#[tokio::test]
async fn a_queue_that_nobody_consumes_refuses_at_once() {
    let bus = node(&Broker::default());
    let refused = bus.ask("q", request(60_000)).await.expect_err("refused");
    assert_eq!(refused.status, protocol::Status::Unavailable);
    drop(bus.serve("q", Server::new("gone", 1, 1)).await.expect("serve"));
    assert!(bus.ask("q", request(60_000)).await.expect_err("refused").message.contains("nobody serves q"));
}

#[tokio::test]
async fn those_who_wait_when_the_last_consumer_leaves_are_refused() {
    let bus = node(&Broker::default());
    let guard = bus.serve("q", Server::new("full", 0, 0)).await.expect("serve");
    let mut asked = JoinSet::new();
    for _ in 0..8 {
        let bus = bus.clone();
        asked.spawn(async move { bus.ask("q", request(60_000)).await });
    }
    tokio::task::yield_now().await;
    drop(guard);
    while let Some(done) = timeout(SOON, asked.join_next()).await.expect("refused soon") {
        let error = done.expect("no panic").expect_err("refused");
        assert_eq!(error.status, protocol::Status::Unavailable);
    }
}

#[tokio::test]
async fn consumers_that_are_ready_take_turns() {
    let broker = Broker::default();
    let (first, second, full) = (Server::new("a", 64, 64), Server::new("b", 64, 64), Server::new("c", 0, 0));
    let bus = node(&broker);
    let _a = bus.serve("q", first.clone()).await.expect("serve");
    let _b = node(&broker).serve("q", second.clone()).await.expect("serve");
    let _c = bus.serve("q", full.clone()).await.expect("serve");
    for _ in 0..20 {
        bus.ask("q", request(5000)).await.expect("an answer");
    }
    let asked = [&first, &second, &full].map(|server| server.asked.load(Ordering::SeqCst));
    assert!(asked[0] >= 9 && asked[1] >= 9, "{asked:?}");
    assert_eq!((asked[0] + asked[1], asked[2]), (20, 0));
}

#[tokio::test]
async fn a_full_server_leaves_requests_in_the_queue() {
    let bus = node(&Broker::default());
    let server = Server::new("a", 2, 0);
    let _guard = bus.serve("q", server.clone()).await.expect("serve");
    let mut asked = JoinSet::new();
    for _ in 0..50 {
        let bus = bus.clone();
        asked.spawn(async move { bus.ask("q", request(20_000)).await });
    }
    server.taken.notified().await;
    server.open.add_permits(50);
    while let Some(done) = asked.join_next().await {
        assert_eq!(done.expect("no panic").expect("an answer").status_code, 200);
    }
    assert_eq!(server.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let bus = node(&Broker::default());
    let _guard = bus.serve("q", Server::new("full", 0, 0)).await.expect("serve");
    let mut asked = JoinSet::new();
    for _ in 0..requests::WAITING {
        let bus = bus.clone();
        asked.spawn(async move { bus.ask("q", request(20_000)).await });
    }
    let refused = loop {
        tokio::task::yield_now().await;
        match timeout(Duration::ZERO, bus.ask("q", request(20_000))).await {
            Ok(refused) => break refused.expect_err("refused"),
            Err(_) => continue,
        }
    };
    assert!(refused.message.contains("full"), "{refused}");
}

#[tokio::test]
async fn a_request_that_waited_too_long_is_never_served() {
    let bus = node(&Broker::default());
    let server = Server::new("a", 0, 9);
    let _guard = bus.serve("q", server.clone()).await.expect("serve");
    let expired = bus.ask("q", request(100)).await.expect_err("too late");
    assert_eq!(expired.reason, "REQUEST_TIMEOUT");
    server.places.add_permits(1);
    bus.ask("q", request(5000)).await.expect("an answer");
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reply_is_awaited_as_long_as_the_request_says() {
    let bus = node(&Broker::default());
    let _guard = bus.serve("q", Server::new("silent", 1, 0)).await.expect("serve");
    let began = tokio::time::Instant::now();
    let late = timeout(SOON, bus.ask("q", request(200))).await.expect("in time").expect_err("too late");
    assert_eq!(late.reason, "REQUEST_TIMEOUT");
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_panic_costs_only_its_own_request() {
    let bus = node(&Broker::default());
    let _guard = bus.serve("q", Server::new("a", 8, 8)).await.expect("serve");
    let broken =
        bus.ask("q", sock::Request { uri: "/panic".into(), ..request(5000) }).await.expect("an answer");
    assert_eq!(broken.status_code, 500);
    assert_eq!(bus.ask("q", request(5000)).await.expect("an answer").status_code, 200);
}

/// Reports what it gets; holds events back while it has no permits; fails while told to.
struct Follower {
    got: mpsc::UnboundedSender<Arc<Event>>,
    open: Semaphore,
    fails: AtomicBool,
}

impl Follower {
    fn new(open: usize) -> (Arc<Self>, mpsc::UnboundedReceiver<Arc<Event>>) {
        let (got, events) = mpsc::unbounded_channel();
        (Arc::new(Follower { got, open: Semaphore::new(open), fails: AtomicBool::new(false) }), events)
    }
}

#[async_trait]
impl Subscribe for Follower {
    async fn deliver(&self, event: Arc<Event>) -> Result<()> {
        self.got.send(event).map_err(Error::internal)?;
        self.open.acquire().await.map_err(Error::internal)?.forget();
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the follower fails"));
        }
        Ok(())
    }
}

#[tokio::test]
async fn every_queue_name_gets_every_event_once() {
    let broker = Broker::default();
    let (bus, other) = (node(&broker), node(&broker));
    let ((a, mut got_a), (b, mut got_b), (c, mut got_c)) =
        (Follower::new(99), Follower::new(99), Follower::new(99));
    let _a = bus.subscribe("shared", a).await.expect("subscribe");
    let _b = other.subscribe("shared", b).await.expect("subscribe");
    let _c = other.subscribe("alone", c).await.expect("subscribe");
    for n in 0..20 {
        bus.publish(event(Uuid::now_v7(), n)).await.expect("published");
    }
    let count =
        |events: &mut mpsc::UnboundedReceiver<_>| std::iter::from_fn(|| events.try_recv().ok()).count();
    assert_eq!((count(&mut got_a), count(&mut got_b), count(&mut got_c)), (10, 10, 20));
}

#[tokio::test]
async fn events_of_one_row_keep_their_order_and_others_do_not_wait() {
    let bus = node(&Broker::default());
    let (follower, mut got) = Follower::new(0);
    let _guard = bus.subscribe("f", follower.clone()).await.expect("subscribe");
    let (row, other) = (Uuid::now_v7(), Uuid::now_v7());
    let publish = |event| {
        let bus = bus.clone();
        async move { bus.publish(event).await }
    };
    let all: Vec<_> = (0..10).map(|n| event(row, n)).chain([event(other, 99)]).map(publish).collect();
    let mut tasks = JoinSet::new();
    tasks.spawn(join_all(all));
    let first = [got.recv().await.expect("event"), got.recv().await.expect("event")].map(|e| number(&e));
    assert_eq!(first, [0, 99], "the second row does not wait for the first");
    assert!(got.try_recv().is_err(), "the first row's second event waits for its first");
    follower.open.add_permits(11);
    for n in 1..10 {
        assert_eq!(number(&got.recv().await.expect("event")), n);
    }
    let all = tasks.join_next().await.expect("a task").expect("no panic");
    assert!(all.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_failed_event_holds_back_the_later_ones_of_its_row() {
    let bus = node(&Broker::default());
    let (follower, mut got) = Follower::new(0);
    let _guard = bus.subscribe("f", follower.clone()).await.expect("subscribe");
    follower.fails.store(true, Ordering::SeqCst);
    let row = Uuid::now_v7();
    let release = async { follower.open.add_permits(99) };
    let (first, second, ()) = tokio::join!(bus.publish(event(row, 1)), bus.publish(event(row, 2)), release);
    assert_eq!(first.expect_err("refused").message, "the follower fails");
    assert!(second.is_err());
    follower.fails.store(false, Ordering::SeqCst);
    for n in [1, 2] {
        bus.publish(event(row, n)).await.expect("published");
    }
    let seen: Vec<_> = std::iter::from_fn(|| got.try_recv().ok()).map(|e| number(&e)).collect();
    assert_eq!(seen, [1, 1, 2]);
}

#[tokio::test]
async fn an_abandoned_publication_does_not_block_its_lane() {
    let bus = node(&Broker::default());
    let (follower, mut got) = Follower::new(0);
    let _guard = bus.subscribe("f", follower.clone()).await.expect("subscribe");
    let row = Uuid::now_v7();
    {
        let abandoned = bus.publish(event(row, 1));
        tokio::pin!(abandoned);
        assert!(futures_util::poll!(&mut abandoned).is_pending());
    }
    follower.open.add_permits(1);
    timeout(SOON, bus.publish(event(row, 2))).await.expect("in time").expect("published");
    assert_eq!(number(&got.recv().await.expect("event")), 1);
    assert_eq!(number(&got.recv().await.expect("event")), 2);
}

#[tokio::test]
async fn watchers_see_what_happens_and_subscribers_may_leave() {
    let broker = Broker::default();
    let bus = node(&broker);
    let mut watched = node(&broker).watch().await.expect("watch");
    let (follower, _got) = Follower::new(0);
    drop(bus.subscribe("f", follower).await.expect("subscribe"));
    let sent = event(Uuid::now_v7(), 7);
    bus.publish(sent.clone()).await.expect("nobody is left to wait for");
    let seen = watched.recv().await.expect("an event");
    assert_eq!(seen, sent);
    assert!(!Arc::ptr_eq(&seen, &sent), "it was bytes in between");
    assert!(bus.health().await.is_ok());
}
