//! The platform's bus: an asker and a publisher here, a server and a follower in the other process.

use std::sync::Arc;

use async_trait::async_trait;
use cluster::bus::rabbit::RabbitBus;
use protocol::ports::{Bus, Serve, Subscribe, Subscription};
use protocol::{Error, Event, Result, sock};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

use crate::Way;

pub(crate) const ROLE: &str = "ours";
const DOMAIN: &str = "bench-manager";
const FOLLOWER: &str = "bench-follower-manager";
/// Until the other process is there.
const PATIENCE: Duration = Duration::from_secs(20);

struct Echo;

#[async_trait]
impl Serve for Echo {
    async fn ready(&self) {}

    async fn serve(&self, request: sock::Request) -> sock::Response {
        Ok(request.data).into()
    }
}

struct Take;

#[async_trait]
impl Subscribe for Take {
    async fn deliver(&self, _: Arc<Event>) -> Result<()> {
        Ok(())
    }
}

fn follower() -> Subscription {
    Subscription::to_all(sock::subscribe_queue(FOLLOWER))
}

pub(crate) async fn serve(url: &str) -> Result<()> {
    let bus = RabbitBus::connect(url, "bench-far").await?;
    bus.declare(&[DOMAIN], &[follower()]).await?;
    let _requests = bus.serve(&sock::request_queue(DOMAIN), Arc::new(Echo)).await?;
    let _events = bus.subscribe(&follower(), Arc::new(Take)).await?;
    std::future::pending().await
}

/// What a question and an event carry: about a call's row.
pub(crate) fn body() -> Value {
    json!({"id": Uuid::nil(), "name": "x".repeat(600)})
}

pub(crate) fn request() -> sock::Request {
    sock::Request {
        uri: "/v1/things".into(),
        method: "GET".into(),
        publisher: "bench".into(),
        data_type: "application/json".into(),
        data: body(),
        request_id: "r".into(),
        customer_id: None,
        traceparent: String::new(),
        timeout_ms: Some(30_000),
    }
}

pub(crate) struct Asks(RabbitBus);

impl Asks {
    pub(crate) async fn open(url: &str) -> Result<Asks> {
        let bus = RabbitBus::connect(url, "bench-near").await?;
        let began = Instant::now();
        while let Err(error) = bus.ask(&sock::request_queue(DOMAIN), request()).await {
            if began.elapsed() > PATIENCE {
                return Err(error);
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(Asks(bus))
    }
}

impl Way for Asks {
    async fn once(&self) -> Result<()> {
        self.0.ask(&sock::request_queue(DOMAIN), request()).await.map(drop)
    }
}

pub(crate) struct Events(RabbitBus);

impl Events {
    pub(crate) async fn open(url: &str) -> Result<Events> {
        let bus = RabbitBus::connect(url, "bench-publisher").await?;
        bus.declare(&[DOMAIN], &[follower()]).await?;
        Ok(Events(bus))
    }
}

/// Each about a row of its own, as events of different calls are.
pub(crate) fn event() -> Result<Event> {
    let mut data = body();
    data["id"] = json!(Uuid::now_v7());
    let event = json!({
        "type": "thing_updated", "publisher": DOMAIN, "data_type": "application/json", "data": data,
        "id": Uuid::now_v7(), "time": "2026-01-02T03:04:05.000006Z", "resource": "thing",
    });
    serde_json::from_value(event).map_err(Error::internal)
}

impl Way for Events {
    async fn once(&self) -> Result<()> {
        self.0.publish(Arc::new(event()?)).await
    }
}
