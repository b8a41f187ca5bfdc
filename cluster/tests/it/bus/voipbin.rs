//! Services of VoIPBIN on the same broker: their declarations, their requests, their events, and bytes that
//! nobody can read.

use std::sync::Arc;

use cluster::bus::rabbit::{DEAD, RabbitBus};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use protocol::ports::{Bus as _, Subscription};
use protocol::sock;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;

use super::broker;
use super::peers::{Follower, Server, event, number};

const SOON: Duration = Duration::from_secs(15);
const DOMAIN: &str = "tag-manager";

/// A node of ours, and a plain client beside it. The connection is the channel's life.
struct World {
    bus: Arc<RabbitBus>,
    _connection: Connection,
    peer: Channel,
}

fn billing() -> Subscription {
    Subscription::to_all(sock::subscribe_queue("billing-manager"))
}

async fn world() -> Option<World> {
    let url = broker::shared().await?.place();
    let bus = Arc::new(RabbitBus::connect(&url, "ours").await.unwrap());
    bus.declare(&[DOMAIN], &[billing()]).await.unwrap();
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let peer = connection.create_channel().await.unwrap();
    Some(World { bus, _connection: connection, peer })
}

impl World {
    async fn say(&self, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
        let (exchange, key) = (exchange.into(), key.into());
        let sent = self.peer.basic_publish(exchange, key, BasicPublishOptions::default(), body, properties);
        sent.await.unwrap().await.unwrap();
    }

    /// As VoIPBIN asks: a reply queue for each request, no correlation id, no expiration.
    async fn ask(&self, body: &[u8]) -> Value {
        let own =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let replies =
            self.peer.queue_declare("".into(), own, FieldTable::default()).await.unwrap().name().clone();
        let auto = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumer = self.peer.basic_consume(replies.clone(), "".into(), auto, FieldTable::default());
        let mut consumer = consumer.await.unwrap();
        let properties = BasicProperties::default().with_reply_to(replies);
        self.say("", &sock::request_queue(DOMAIN), body, properties).await;
        let reply = timeout(SOON, consumer.next()).await.expect("a reply in time").unwrap().unwrap();
        assert!(reply.properties.correlation_id().is_none());
        serde_json::from_slice(&reply.data).unwrap()
    }

    async fn dead_letter(&self) -> Vec<u8> {
        let limit = Instant::now() + SOON;
        loop {
            let got = self.peer.basic_get(DEAD.into(), BasicGetOptions { no_ack: true }).await.unwrap();
            if let Some(letter) = got {
                return letter.delivery.data;
            }
            assert!(Instant::now() < limit, "no dead letter");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_voipbin_names_is_declared_as_voipbin_declares_it() {
    let Some(world) = world().await else { return };
    let _guard = world.bus.serve(&sock::request_queue(DOMAIN), Server::new("ours", 1, 9)).await.unwrap();
    // other arguments would be refused, and close the channel
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    for queue in [sock::request_queue(DOMAIN), sock::subscribe_queue("billing-manager")] {
        world.peer.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();
    }
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let exchange = sock::event_exchange(DOMAIN);
    let declared = world.peer.exchange_declare(
        exchange.as_str().into(),
        ExchangeKind::Fanout,
        durable,
        FieldTable::default(),
    );
    declared.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_voipbin_is_answered_and_nonsense_is_refused() {
    let Some(world) = world().await else { return };
    let _guard = world.bus.serve(&sock::request_queue(DOMAIN), Server::new("ours", 1, 9)).await.unwrap();
    let request = json!({
        "uri": "/v1/tags", "method": "GET", "publisher": "api-manager", "data_type": "application/json",
        "data": {"a": 1},
    });
    let answer = world.ask(request.to_string().as_bytes()).await;
    assert_eq!(answer["status_code"], 200);
    assert_eq!(answer["data"], json!({"by": "ours", "data": {"a": 1}}));
    for nonsense in [&b"{"[..], b"", b"\xff\xfe", b"[]"] {
        assert_eq!(world.ask(nonsense).await["status_code"], 400);
    }
    assert_eq!(world.ask(request.to_string().as_bytes()).await["status_code"], 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_voipbin_gets_what_it_lacks() {
    let Some(world) = world().await else { return };
    let (follower, mut got) = Follower::new(9);
    let _guard = world.bus.subscribe(&billing(), follower).await.unwrap();
    let bare = json!({
        "type": "tag_created", "publisher": "tag-manager", "data_type": "application/json",
        "data": {"id": Uuid::now_v7(), "n": 1},
    });
    let exchange = sock::event_exchange(DOMAIN);
    world.say(&exchange, "", bare.to_string().as_bytes(), BasicProperties::default()).await;
    let event = timeout(SOON, got.recv()).await.unwrap().unwrap();
    assert_eq!((event.r#type.as_str(), number(&event)), ("tag_created", 1));
    assert!(!event.id.is_nil() && event.time.ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_published_before_its_follower_came_is_not_lost() {
    let Some(world) = world().await else { return };
    world.bus.publish(event(Uuid::now_v7(), 1)).await.unwrap();
    let (follower, mut got) = Follower::new(9);
    let _guard = world.bus.subscribe(&billing(), follower).await.unwrap();
    assert_eq!(number(&timeout(SOON, got.recv()).await.unwrap().unwrap()), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_read_is_set_aside_and_delays_nobody() {
    let Some(world) = world().await else { return };
    let (follower, mut got) = Follower::new(9);
    let _guard = world.bus.subscribe(&billing(), follower).await.unwrap();
    world.say(&sock::event_exchange(DOMAIN), "", b"poison", BasicProperties::default()).await;
    world.bus.publish(event(Uuid::now_v7(), 1)).await.unwrap();
    assert_eq!(number(&timeout(SOON, got.recv()).await.unwrap().unwrap()), 1);
    assert_eq!(world.dead_letter().await, b"poison");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_never_told() {
    let Some(broker) = broker::shared().await else { return };
    let url = broker.place();
    let wrong = url.replace("pa%2Fss", "s3cret");
    let nowhere = "amqp://me:s3cret@127.0.0.1:9/x";
    for url in [&*wrong, nowhere, "amqp://me:s3cret@host:port", "amqps://me:s3cret@127.0.0.1:9"] {
        let error = RabbitBus::connect(url, "it").await.err().unwrap();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}
