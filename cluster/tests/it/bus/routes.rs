//! What reaches whom: a queue has the events that its name follows, and no others cross the network for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::bus::rabbit::{RabbitBus, subscription};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, ExchangeBindOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use protocol::event::FOREIGN;
use protocol::ports::{Bus as _, Subscription};
use protocol::{Event, sock};
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use super::broker;
use super::peers::{Follower, event};

const DOMAIN: &str = "tag-manager";
const SOON: Duration = Duration::from_secs(15);
/// A type that nobody follows by name.
const MARK: &str = "mark";
/// Between all exchanges and all queues in the release before.
const BEFORE: &str = "branchline.events";

fn of_type(r#type: &str) -> Arc<Event> {
    let mut event = Arc::unwrap_or_clone(event(Uuid::now_v7(), 1));
    event.r#type = r#type.into();
    Arc::new(event)
}

/// As a service of VoIPBIN says it.
fn foreign(r#type: &str) -> Arc<Event> {
    let event = Arc::unwrap_or_clone(of_type(r#type));
    Arc::new(Event { resource: String::new(), ..event })
}

fn follows(name: &str, patterns: &[&'static str]) -> Subscription {
    Subscription { name: name.to_owned(), patterns: patterns.iter().copied().collect() }
}

/// A node of ours, and a plain client that looks into its queues. The connection is the channel's life.
struct World {
    url: String,
    bus: RabbitBus,
    _connection: Connection,
    peer: Channel,
}

impl World {
    async fn new() -> Option<World> {
        let url = broker::shared().await?.place();
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        let peer = connection.create_channel().await.unwrap();
        let bus = RabbitBus::connect(&url, "ours").await.unwrap();
        Some(World { url, bus, _connection: connection, peer })
    }

    /// What was published until now: the mark reaches every queue behind it.
    async fn types(&self, name: &str) -> BTreeSet<String> {
        self.bus.publish(foreign(MARK)).await.unwrap();
        let (queue, tag, none) = (subscription(name), name.into(), FieldTable::default());
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let deliveries = self.peer.basic_consume(queue.as_str().into(), tag, options, none).await;
        let (mut deliveries, mut found) = (deliveries.unwrap(), BTreeSet::new());
        loop {
            let delivery = timeout(SOON, deliveries.next()).await.expect("the mark").unwrap().unwrap();
            let event: Event = serde_json::from_slice(&delivery.data).unwrap();
            if event.r#type == MARK {
                break;
            }
            assert!(found.insert(event.r#type), "one queue has one event twice");
        }
        self.peer.basic_cancel(name.into(), BasicCancelOptions::default()).await.unwrap();
        found
    }
}

fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_has_what_its_name_follows_and_what_other_services_say() {
    let Some(world) = World::new().await else { return };
    let all = [
        follows("exact", &["tag_created", "tag_deleted"]),
        follows("prefix", &["tag_*"]),
        follows("everything", &["*"]),
        follows("strangers", &[FOREIGN]),
    ];
    world.bus.declare(&[DOMAIN], &all).await.unwrap();
    for said in [of_type("tag_created"), of_type("tag_updated"), of_type("tag_deleted")] {
        world.bus.publish(said).await.unwrap();
    }
    world.bus.publish(foreign("ai_started")).await.unwrap();
    assert_eq!(world.types("exact").await, words(&["tag_created", "tag_deleted", "ai_started"]));
    let every = words(&["tag_created", "tag_updated", "tag_deleted", "ai_started"]);
    assert_eq!(world.types("prefix").await, every);
    assert_eq!(world.types("everything").await, every);
    assert_eq!(world.types("strangers").await, words(&["ai_started"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_of_the_release_before_go_on_and_lose_nothing_and_get_nothing_twice() {
    let Some(world) = World::new().await else { return };
    let to = follows("number-manager", &["tag_deleted"]);
    world.bus.declare(&[DOMAIN], std::slice::from_ref(&to)).await.unwrap();
    // what a node of that release adds, and says without a key
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let none = FieldTable::default;
    world.peer.exchange_declare(BEFORE.into(), ExchangeKind::Fanout, durable, none()).await.unwrap();
    let (exchange, queue) = (sock::event_exchange(DOMAIN), subscription(&to.name));
    let options = ExchangeBindOptions::default();
    world
        .peer
        .exchange_bind(BEFORE.into(), exchange.as_str().into(), "".into(), options, none())
        .await
        .unwrap();
    let options = QueueBindOptions::default();
    world.peer.queue_bind(queue.as_str().into(), BEFORE.into(), "".into(), options, none()).await.unwrap();
    world.bus.publish(of_type("tag_created")).await.unwrap();
    world.bus.publish(of_type("tag_deleted")).await.unwrap();
    let both = words(&["tag_created", "tag_deleted"]);
    assert_eq!(world.types(&to.name).await, both, "as in the release before");
    // the next node of this one lets go of that exchange
    let next = RabbitBus::connect(&world.url, "next").await.unwrap();
    next.declare(&[DOMAIN], std::slice::from_ref(&to)).await.unwrap();
    next.publish(of_type("tag_created")).await.unwrap();
    next.publish(of_type("tag_deleted")).await.unwrap();
    assert_eq!(world.types(&to.name).await, words(&["tag_deleted"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_again_after_nobody_did_sees_what_happens_from_then_on() {
    let Some(world) = World::new().await else { return };
    world.bus.declare(&[DOMAIN], &[]).await.unwrap();
    for n in 0..20 {
        let (mut watched, r#type) = (world.bus.watch().await.unwrap(), format!("tag_{n}"));
        world.bus.publish(of_type(&r#type)).await.unwrap();
        // what was published before may come too
        while timeout(SOON, watched.recv()).await.expect("what is watched").unwrap().r#type != r#type {}
        drop(watched);
        // nobody sees it, and the watch ends with it, before or after the next one begins
        world.bus.publish(of_type("tag_unseen")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_all_who_follow_it_have_on_its_node_is_brought_to_no_queue() {
    let Some(world) = World::new().await else { return };
    let all = [follows("exact", &["tag_created"]), follows("everything", &["*"])];
    world.bus.declare(&[DOMAIN], &all).await.unwrap();
    let none = FieldTable::default;
    for (queue, key) in [("by-type", "*"), ("watches", "#")] {
        world.peer.queue_declare(queue.into(), QueueDeclareOptions::default(), none()).await.unwrap();
        let facts = "branchline.facts";
        let options = QueueBindOptions::default();
        world.peer.queue_bind(queue.into(), facts.into(), key.into(), options, none()).await.unwrap();
    }
    let (exact, mut got_exact) = Follower::new(99);
    let (everything, got_everything) = Follower::new(99);
    let exact = world.bus.subscribe(&all[0], exact).await.unwrap();
    let _everything = world.bus.subscribe(&all[1], everything).await.unwrap();
    world.bus.publish(of_type("tag_created")).await.unwrap();
    world.bus.publish(of_type("tag_updated")).await.unwrap();
    assert!(got_exact.try_recv().is_ok() && got_everything.len() == 2, "they have it when it is published");
    let read = async |queue: &str| {
        let options = BasicGetOptions { no_ack: true };
        let found = world.peer.basic_get(queue.into(), options).await.unwrap();
        found.map(|found| found.delivery.routing_key.to_string())
    };
    assert_eq!(read("by-type").await, None);
    assert_eq!(read("watches").await.as_deref(), Some("tag_created.seen1"));
    assert_eq!(read("watches").await.as_deref(), Some("tag_updated.seen1"));
    // one of them leaves: what he follows goes to his queue
    drop(exact);
    world.bus.publish(of_type("tag_created")).await.unwrap();
    world.bus.publish(of_type("tag_updated")).await.unwrap();
    assert_eq!(read("by-type").await.as_deref(), Some("tag_created"));
    assert_eq!(read("by-type").await, None);
    assert_eq!(got_everything.len(), 4);
}
