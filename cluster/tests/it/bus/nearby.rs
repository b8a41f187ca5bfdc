//! A node hears of its own facts without the broker, once, and the broker's queues get what it leaves.

use std::sync::Arc;

use async_trait::async_trait;
use cluster::bus::rabbit::{DEAD, RabbitBus, subscription};
use lapin::options::BasicGetOptions;
use lapin::{Connection, ConnectionProperties};
use protocol::ports::{Bus as _, Subscribe, Subscription};
use protocol::{Error, Event, Result};
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;

use super::broker::{self, RabbitMq};
use super::peers::{Follower, Got, event, number};

const SOON: Duration = Duration::from_secs(15);

async fn numbers(got: &mut Got, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        numbers.push(number(&timeout(SOON, got.recv()).await.expect("an event in time").unwrap()));
    }
    numbers
}

/// As the outbox does.
async fn publish(bus: &RabbitBus, event: Arc<Event>) {
    let limit = Instant::now() + 3 * SOON;
    while let Err(error) = bus.publish(event.clone()).await {
        assert!(Instant::now() < limit, "{error}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_share_a_name_each_follow_their_own_facts_and_one_of_them_those_of_others() {
    let Some(broker) = broker::shared().await else { return };
    let (url, to) = (broker.place(), Subscription::to_all("f"));
    let node = async |name| RabbitBus::connect(&url, name).await.unwrap();
    let (a, b, other) = (node("a").await, node("b").await, node("other").await);
    let ((at_a, mut got_a), (at_b, mut got_b)) = (Follower::new(99), Follower::new(99));
    let _a = a.subscribe(&to, at_a).await.unwrap();
    let _b = b.subscribe(&to, at_b).await.unwrap();
    for n in 0..9 {
        a.publish(event(Uuid::now_v7(), n)).await.unwrap();
        b.publish(event(Uuid::now_v7(), 100 + n)).await.unwrap();
    }
    assert!(numbers(&mut got_a, 9).await.into_iter().eq(0..9));
    assert!(numbers(&mut got_b, 9).await.into_iter().eq(100..109));
    // behind all of these in the queue
    other.publish(event(Uuid::now_v7(), 999)).await.unwrap();
    let last = async {
        tokio::select! { Some(e) = got_a.recv() => e, Some(e) = got_b.recv() => e }
    };
    assert_eq!(number(&timeout(SOON, last).await.unwrap()), 999);
    assert!(got_a.try_recv().is_err() && got_b.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_before_the_broker_failed_is_not_taken_again() {
    let Some(broker) = RabbitMq::start().await else { return };
    let bus = RabbitBus::connect(&broker.place(), "it").await.unwrap();
    let (follower, mut got) = Follower::new(99);
    let _guard = bus.subscribe(&Subscription::to_all("f"), follower).await.unwrap();
    broker.hang(true).await;
    let row = Uuid::now_v7();
    let first = event(row, 1);
    assert!(bus.publish(first.clone()).await.is_err(), "nothing confirms it");
    assert_eq!(numbers(&mut got, 1).await, [1]);
    broker.hang(false).await;
    publish(&bus, first).await;
    publish(&bus, event(row, 2)).await;
    assert_eq!(numbers(&mut got, 1).await, [2]);
    assert!(got.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_with_an_event_in_his_hands_leaves_it_to_the_queue() {
    let Some(broker) = broker::shared().await else { return };
    let (url, to) = (broker.place(), Subscription::to_all("f"));
    let a = Arc::new(RabbitBus::connect(&url, "a").await.unwrap());
    let (leaves, mut got) = Follower::new(0);
    let guard = a.subscribe(&to, leaves.clone()).await.unwrap();
    let (row, bus) = (Uuid::now_v7(), a.clone());
    let mut first = Box::pin(async move { publish(&bus, event(row, 1)).await });
    let held = async {
        tokio::select! {
            () = &mut first => panic!("it was not taken"),
            number = numbers(&mut got, 1) => number,
        }
    };
    assert_eq!(held.await, [1]);
    drop(guard);
    leaves.fails.store(true, std::sync::atomic::Ordering::SeqCst);
    leaves.open.add_permits(1);
    timeout(SOON, first).await.expect("the queue has it");
    let (stays, mut got) = Follower::new(99);
    let _guard = a.subscribe(&to, stays).await.unwrap();
    assert_eq!(numbers(&mut got, 1).await, [1]);
}

/// Refuses everything for good.
struct Refuses;

#[async_trait]
impl Subscribe for Refuses {
    async fn deliver(&self, _: Arc<Event>) -> Result<()> {
        Err(Error::invalid("never"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_good_ends_in_the_dead_letters_and_holds_up_nobody() {
    let Some(broker) = broker::shared().await else { return };
    let url = broker.place();
    let bus = RabbitBus::connect(&url, "it").await.unwrap();
    let _refuses = bus.subscribe(&Subscription::to_all("refuses"), Arc::new(Refuses)).await.unwrap();
    let (takes, mut got) = Follower::new(99);
    let _takes = bus.subscribe(&Subscription::to_all("takes"), takes).await.unwrap();
    let poison = event(Uuid::now_v7(), 1);
    publish(&bus, poison.clone()).await;
    assert_eq!(numbers(&mut got, 1).await, [1], "once, although it was published again for the other one");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let peer = connection.create_channel().await.unwrap();
    let limit = Instant::now() + SOON;
    let letter = loop {
        let letter = peer.basic_get(DEAD.into(), BasicGetOptions { no_ack: true }).await.unwrap();
        if let Some(letter) = letter {
            break letter.delivery;
        }
        assert!(Instant::now() < limit, "no dead letter");
        sleep(Duration::from_millis(50)).await;
    };
    let read: Event = serde_json::from_slice(&letter.data).unwrap();
    assert_eq!(read.id, poison.id);
    let died = letter.properties.headers().as_ref().unwrap().inner().get("x-first-death-queue").unwrap();
    assert_eq!(died.as_long_string().unwrap().as_bytes(), subscription("refuses").as_bytes());
    assert!(got.try_recv().is_err());
}
