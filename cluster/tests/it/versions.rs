//! Nodes of different builds on one broker: this one, one that speaks the wire form of the first build, and one
//! of a build to come, which says more than this one knows.

mod first;

use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use protocol::sock;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use crate::bus::broker;
use crate::platform::{PATIENCE, Platform};
use first::{Event, Request, Response};

/// What this build serves.
const HERE: [&str; 14] = [
    "agent",
    "billing",
    "call",
    "customer",
    "direct",
    "flow",
    "gateway",
    "idempotency",
    "number",
    "registrar",
    "route",
    "timeline",
    "tts",
    "webhook",
];
const JSON: &str = "application/json";
const TAGS: &str = "tag-manager";
const DURABLE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: true,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};

/// What a build to come says besides.
fn newer(mut said: Value) -> Value {
    if let Value::Object(fields) = &mut said {
        fields.insert("wire".into(), json!({"version": 9, "shard": [1, 2]}));
        fields.insert("hint".into(), json!("new"));
        if let Some(Value::Object(data)) = fields.get_mut("data") {
            data.insert("colour".into(), json!({"hue": 1}));
        }
    }
    said
}

/// A node of another build, which serves tags.
struct Peer {
    _connection: Connection,
    channel: Channel,
    newer: bool,
}

impl Peer {
    async fn open(url: &str, newer: bool) -> Peer {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        Peer { _connection: connection, channel, newer }
    }

    fn bytes(&self, said: impl serde::Serialize) -> Vec<u8> {
        let said = serde_json::to_value(said).unwrap();
        if self.newer { newer(said) } else { said }.to_string().into_bytes()
    }

    async fn consume(&self, queue: &str) -> Consumer {
        let options = BasicConsumeOptions { no_ack: false, ..BasicConsumeOptions::default() };
        self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap()
    }

    async fn own_queue(&self) -> String {
        let own =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare("".into(), own, FieldTable::default()).await.unwrap();
        queue.name().to_string()
    }

    async fn send(&self, (exchange, key): (&str, &str), body: Vec<u8>, properties: BasicProperties) {
        let options = BasicPublishOptions::default();
        let sent = self.channel.basic_publish(exchange.into(), key.into(), options, &body, properties);
        sent.await.unwrap().await.unwrap();
    }

    /// Answers requests about tags, each with a tag of its own making.
    async fn serve(&self) {
        let queue = sock::request_queue(TAGS);
        self.channel.queue_declare(queue.as_str().into(), DURABLE, FieldTable::default()).await.unwrap();
        let mut requests = self.consume(&queue).await;
        while let Some(Ok(asked)) = requests.next().await {
            asked.ack(BasicAckOptions::default()).await.unwrap();
            let request: Request = serde_json::from_slice(&asked.data).expect("the first build reads it");
            let id = request.uri.rsplit('/').next().unwrap_or_default();
            let tag = json!({
                "id": id, "customer_id": request.customer_id, "name": "from afar", "detail": "",
                "tm_create": "2026-01-02T03:04:05.000006Z", "tm_update": null, "tm_delete": null, "rev": 1,
            });
            let response = Response { status_code: 200, data_type: JSON.into(), data: tag };
            let to = asked.properties.reply_to().clone().unwrap();
            let id = asked.properties.correlation_id().clone().unwrap();
            let properties = BasicProperties::default().with_correlation_id(id);
            self.send(("", to.as_str()), self.bytes(response), properties).await;
        }
    }

    /// Asks this build for one of its rows.
    async fn get(&self, domain: &str, path: &str) -> Response {
        let replies = self.own_queue().await;
        let mut answers = self.consume(&replies).await;
        let request = Request {
            uri: format!("/v1/{path}"),
            method: "GET".into(),
            publisher: "peer".into(),
            data_type: JSON.into(),
            data: Value::Null,
            request_id: "r1".into(),
            customer_id: None,
            timeout_ms: Some(5_000),
        };
        let properties = BasicProperties::default().with_reply_to(replies.as_str().into());
        self.send(("", &sock::request_queue(domain)), self.bytes(request), properties).await;
        let answer = timeout(PATIENCE, answers.next()).await.expect("an answer in time").unwrap().unwrap();
        serde_json::from_slice(&answer.data).expect("the first build reads it")
    }

    async fn publish(&self, event: Event) {
        let exchange = sock::event_exchange(&event.publisher);
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared = self.channel.exchange_declare(
            exchange.as_str().into(),
            ExchangeKind::Fanout,
            options,
            FieldTable::default(),
        );
        declared.await.unwrap();
        self.send((&exchange, ""), self.bytes(event), BasicProperties::default()).await;
    }

    /// The next event of this type that `domain` publishes.
    async fn hears(&self, queue: &str, kind: &str) -> Event {
        let mut events = self.consume(queue).await;
        let heard = async {
            loop {
                let event = events.next().await.unwrap().unwrap();
                let event: Event = serde_json::from_slice(&event.data).expect("the first build reads it");
                if event.r#type == kind {
                    return event;
                }
            }
        };
        timeout(PATIENCE, heard).await.expect("the event in time")
    }
}

/// A node of this build that has everything but tags.
async fn node(url: &str) -> Platform {
    Platform::with(|plan| {
        plan.serve = HERE.map(String::from).to_vec();
        plan.bus = url.to_owned();
    })
    .await
}

/// This build asks the other one.
async fn asks(platform: &Platform, id: Uuid) {
    let tag = platform.becomes(&format!("tags/{id}"), |tag| tag["name"] == "from afar").await;
    assert_eq!(tag["id"], json!(id));
    assert_eq!(tag.get("colour"), None, "what is not known is not passed on");
}

/// The other one asks this build.
async fn is_asked(peer: &Peer, customer: &Value) {
    let at = |id: &str| format!("customers/{id}");
    let answer = peer.get("customer-manager", &at(customer["id"].as_str().unwrap())).await;
    assert_eq!((answer.status_code, &answer.data["id"]), (200, &customer["id"]));
    let answer = peer.get("customer-manager", &at(&Uuid::new_v4().to_string())).await;
    assert_eq!(answer.status_code, 404);
}

/// The other one hears this build.
async fn is_heard(platform: &Platform, peer: &Peer) {
    let queue = peer.own_queue().await;
    let exchange = sock::event_exchange("flow-manager");
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    let bound =
        peer.channel.queue_bind(queue.as_str().into(), exchange.as_str().into(), "".into(), options, none);
    bound.await.unwrap();
    let flow = platform.made("flows", json!({"name": "old and new", "actions": []})).await;
    let event = peer.hears(&queue, "flow_created").await;
    assert_eq!(event.data["id"], json!(flow));
    assert!(!event.id.is_nil() && event.resource == "flow");
}

/// This build hears the other one.
async fn hears(platform: &Platform, peer: &Peer, (id, customer): (Uuid, &Value)) {
    let mut heard = platform.node.deps.bus.watch().await.unwrap();
    let said = Event {
        r#type: "tag_created".into(),
        publisher: TAGS.into(),
        data_type: JSON.into(),
        data: json!({"id": id, "customer_id": customer["id"]}).as_object().unwrap().clone(),
        id: Uuid::now_v7(),
        time: "2026-01-02T03:04:05.000006Z".into(),
        resource: "tag".into(),
        request_id: String::new(),
    };
    let expected = said.id;
    peer.publish(said).await;
    let seen = async { while heard.recv().await.unwrap().id != expected {} };
    timeout(PATIENCE, seen).await.expect("heard");
}

async fn understand_each_other(newer: bool) {
    let Some(broker) = broker::shared().await else { return };
    let url = broker.place();
    let platform = node(&url).await;
    let (peer, server) = (Peer::open(&url, newer).await, Peer::open(&url, newer).await);
    let mut serving = JoinSet::new();
    serving.spawn(async move { server.serve().await });
    let (id, (_, customer)) = (Uuid::new_v4(), platform.get("customer").await);
    asks(&platform, id).await;
    is_asked(&peer, &customer).await;
    is_heard(&platform, &peer).await;
    hears(&platform, &peer, (id, &customer)).await;
    serving.shutdown().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_build_and_the_first_one_understand_each_other() {
    understand_each_other(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_build_and_one_that_says_more_understand_each_other() {
    understand_each_other(true).await;
}
