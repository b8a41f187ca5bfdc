//! Who serves and who follows in the tests of the bus, and what they are sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use protocol::ports::{Serve, Subscribe};
use protocol::{Error, Event, Result, sock};
use serde_json::json;
use tokio::sync::{Notify, Semaphore, mpsc};
use uuid::Uuid;

pub(crate) fn request(timeout_ms: u64) -> sock::Request {
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

pub(crate) fn event(row: Uuid, n: u64) -> Arc<Event> {
    Arc::new(Event {
        r#type: "tag_updated".into(),
        publisher: "tag-manager".into(),
        data_type: "application/json".into(),
        data: serde_json::from_value(json!({"id": row, "n": n})).unwrap(),
        id: Uuid::now_v7(),
        time: "2026-01-02T03:04:05.000006Z".into(),
        resource: "tag".into(),
        about: Uuid::nil(),
        request_id: String::new(),
    })
}

pub(crate) fn number(event: &Arc<Event>) -> u64 {
    event.data.get("n").and_then(serde_json::Value::as_u64).unwrap()
}

/// Answers with its name, with as many at once as it has places, when it may.
pub(crate) struct Server {
    name: &'static str,
    pub(crate) places: Semaphore,
    pub(crate) open: Semaphore,
    pub(crate) asked: AtomicUsize,
    pub(crate) most: AtomicUsize,
    busy: AtomicUsize,
    pub(crate) taken: Notify,
}

impl Server {
    pub(crate) fn new(name: &'static str, places: usize, open: usize) -> Arc<Self> {
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
        self.open.acquire().await.unwrap().forget();
        self.busy.fetch_sub(1, Ordering::SeqCst);
        assert!(request.uri != "/panic", "asked to panic");
        Ok(json!({"by": self.name, "data": request.data})).into()
    }
}

/// Reports what it gets; holds events back while it has no permits; fails while told to.
pub(crate) struct Follower {
    got: mpsc::UnboundedSender<Arc<Event>>,
    pub(crate) open: Semaphore,
    pub(crate) fails: AtomicBool,
}

pub(crate) type Got = mpsc::UnboundedReceiver<Arc<Event>>;

impl Follower {
    pub(crate) fn new(open: usize) -> (Arc<Self>, Got) {
        let (got, events) = mpsc::unbounded_channel();
        (Arc::new(Follower { got, open: Semaphore::new(open), fails: AtomicBool::new(false) }), events)
    }
}

#[async_trait]
impl Subscribe for Follower {
    async fn deliver(&self, event: Arc<Event>) -> Result<()> {
        self.got.send(event).map_err(Error::internal)?;
        self.open.acquire().await.map_err(Error::internal)?.forget();
        match self.fails.load(Ordering::SeqCst) {
            true => Err(Error::unavailable("the follower fails")),
            false => Ok(()),
        }
    }
}
