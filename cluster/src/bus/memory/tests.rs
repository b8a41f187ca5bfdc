//! What is particular to the bus of one process; what every bus does is tested in `tests/it/bus`.

use std::sync::atomic::{AtomicBool, Ordering};

use protocol::Error;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
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
        traceparent: String::new(),
    }
}

fn event(row: Uuid, n: u64) -> Arc<Event> {
    Arc::new(Event {
        r#type: "tag_updated".into(),
        publisher: "tag-manager".into(),
        data_type: "application/json".into(),
        data: serde_json::from_value::<protocol::Row>(json!({"id": row, "n": n})).expect("a row").into(),
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

/// Never has a place.
struct Full;

#[async_trait]
impl Serve for Full {
    async fn ready(&self) {
        std::future::pending().await
    }

    async fn serve(&self, _: sock::Request) -> sock::Response {
        unreachable!("it is never ready")
    }
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let bus = node(&Broker::default());
    let _guard = bus.serve("q", Arc::new(Full)).await.expect("serve");
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
async fn a_failed_event_holds_back_the_later_ones_of_its_row() {
    let bus = node(&Broker::default());
    let (follower, mut got) = Follower::new(0);
    let _guard = bus.subscribe(&Subscription::to_all("f"), follower.clone()).await.expect("subscribe");
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
    let _guard = bus.subscribe(&Subscription::to_all("f"), follower.clone()).await.expect("subscribe");
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
