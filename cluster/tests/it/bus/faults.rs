//! A broker that is killed and comes back on the same data.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cluster::bus::rabbit::RabbitBus;
use cluster::chaos::relay::Relay;
use protocol::Status;
use protocol::ports::{Bus as _, Subscription};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;

use super::broker::RabbitMq;
use super::peers::{Follower, Got, Server, event, number, request};

const SOON: Duration = Duration::from_secs(15);
/// A refusal while the broker is away.
const AT_ONCE: Duration = Duration::from_secs(1);
/// From the moment that the broker takes connections again.
const BACK: Duration = Duration::from_secs(5);
const QUEUE: &str = "bin-manager.test-manager.request";
/// RabbitMQ 3.10 writes down within a second that a quorum queue exists; killed before, it starts it empty.
const SETTLED: Duration = Duration::from_secs(3);
const ROWS: usize = 8;

/// Publishes numbers to a row, each until it is confirmed, as the outbox does; the last one.
async fn publish(bus: Arc<RabbitBus>, row: Uuid, stop: Arc<AtomicBool>) -> u64 {
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        let event = event(row, n);
        while bus.publish(event.clone()).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        n += 1;
    }
    n - 1
}

/// Everything up to the last number of each row, each number at its first time in order.
async fn all_arrive(got: &mut Got, mut last: HashMap<Uuid, u64>) {
    let mut seen: HashMap<Uuid, u64> = HashMap::new();
    let limit = Instant::now() + SOON;
    while !last.is_empty() {
        let event = timeout(limit - Instant::now(), got.recv()).await.expect("no event is lost").unwrap();
        let (row, n) = (event.row_id().unwrap(), number(&event));
        let expected = seen.get(&row).map_or(0, |n| n + 1);
        assert!(n <= expected, "{n} came before {expected}");
        seen.insert(row, n.max(expected.saturating_sub(1)).max(seen.get(&row).copied().unwrap_or(0)));
        if last.get(&row) == Some(&n) {
            last.remove(&row);
        }
    }
}

async fn it_refuses_at_once(bus: &RabbitBus) {
    let limit = Instant::now() + SOON;
    while bus.health().await.is_ok() {
        assert!(Instant::now() < limit, "it does not notice");
        sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..20 {
        let began = Instant::now();
        let error = bus.ask(QUEUE, request(30_000)).await.unwrap_err();
        assert_eq!(error.status, Status::Unavailable);
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    }
}

async fn it_is_served_again(bus: &RabbitBus) {
    let up = Instant::now();
    while bus.ask(QUEUE, request(2000)).await.is_err() {
        assert!(up.elapsed() < BACK, "nobody serves again");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_loses_no_confirmed_event_and_gets_its_clients_back() {
    let Some(mut broker) = RabbitMq::start().await else { return };
    let url = broker.place();
    let here = Arc::new(RabbitBus::connect(&url, "here").await.unwrap());
    let there = Arc::new(RabbitBus::connect(&url, "there").await.unwrap());
    let (follower, mut got) = Follower::new(1_000_000);
    let _events = there.subscribe(&Subscription::to_all("f"), follower).await.unwrap();
    let _requests = there.serve(QUEUE, Server::new("there", 8, 1000)).await.unwrap();
    let watched = here.watch().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let rows: Vec<Uuid> = (0..ROWS).map(|_| Uuid::now_v7()).collect();
    let mut publishers = JoinSet::new();
    for row in rows {
        let published = publish(here.clone(), row, stop.clone());
        publishers.spawn(async move { (row, published.await) });
    }
    here.ask(QUEUE, request(5000)).await.unwrap();
    let began = Instant::now();
    while got.len() < 20 * ROWS || began.elapsed() < SETTLED {
        sleep(Duration::from_millis(10)).await;
    }

    broker.kill();
    it_refuses_at_once(&here).await;
    broker.restart().await;
    it_is_served_again(&here).await;
    // what it hears has a connection of its own, which may come back a moment later
    let until = Instant::now() + SOON;
    while here.health().await.is_err() {
        assert!(Instant::now() < until, "never well again");
        sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, Ordering::SeqCst);
    let last = timeout(SOON, publishers.join_all()).await.unwrap().into_iter().collect();
    all_arrive(&mut got, last).await;

    let mut watched = watched.resubscribe();
    let sent = event(Uuid::now_v7(), 7);
    here.publish(sent.clone()).await.unwrap();
    while timeout(SOON, watched.recv()).await.unwrap().unwrap() != sent {}
}

/// Nothing tells that it hangs until a heartbeat is missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_holds_nobody_up() {
    let Some(broker) = RabbitMq::start().await else { return };
    let bus = Arc::new(RabbitBus::connect(&broker.place(), "it").await.unwrap());
    let (follower, mut got) = Follower::new(99);
    let _events = bus.subscribe(&Subscription::to_all("f"), follower).await.unwrap();
    let _requests = bus.serve(QUEUE, Server::new("it", 8, 1000)).await.unwrap();
    // nobody can ask the broker about this one, so only silence tells
    let node_queue = format!("{QUEUE}.it");
    let _own = bus.serve(&node_queue, Server::new("it", 8, 1000)).await.unwrap();
    let row = Uuid::now_v7();
    bus.publish(event(row, 1)).await.unwrap();
    bus.ask(QUEUE, request(5000)).await.unwrap();

    broker.hang(true).await;
    let began = Instant::now();
    let (healthy, asked, asked_at, published) = tokio::join!(
        bus.health(),
        bus.ask(QUEUE, request(30_000)),
        bus.ask(&node_queue, request(30_000)),
        bus.publish(event(row, 2))
    );
    for outcome in [healthy, asked.map(drop), asked_at.map(drop), published] {
        assert_eq!(outcome.unwrap_err().status, Status::Unavailable);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

    broker.hang(false).await;
    it_is_served_again(&bus).await;
    while bus.publish(event(row, 3)).await.is_err() {
        assert!(began.elapsed() < 3 * SOON, "it takes no events again");
        sleep(Duration::from_millis(50)).await;
    }
    while number(&timeout(SOON, got.recv()).await.unwrap().unwrap()) != 3 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_a_node_that_dies_at_work_hears_so_soon() {
    let Some(broker) = RabbitMq::start().await else { return };
    let (url, own) = (broker.place(), format!("{QUEUE}.mortal"));
    let (before, rest) = url.rsplit_once('@').unwrap();
    let (target, path) = rest.split_once('/').unwrap();
    let relay = Relay::before(target.to_owned()).await.unwrap();
    let mortal = RabbitBus::connect(&format!("{before}@{}/{path}", relay.local()), "mortal").await.unwrap();
    let server = Server::new("mortal", 8, 0);
    let _consumer = mortal.serve(&own, server.clone()).await.unwrap();
    let bus = RabbitBus::connect(&url, "it").await.unwrap();
    let (asked, ()) = tokio::join!(timeout(SOON, bus.ask(&own, request(60_000))), async {
        server.taken.notified().await;
        // long enough that it has been looked at while it was well
        sleep(SETTLED).await;
        relay.away();
    });
    let refusal = asked.expect("it hears").unwrap_err();
    assert!(refusal.is_lost(), "{refusal:?}");
}

/// The connection stays open, and what comes on it makes no sense any more, heartbeats included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_on_which_nothing_arrives_any_more_is_given_up() {
    /// Sooner than heartbeats tell, if they do.
    const GIVEN_UP: Duration = Duration::from_secs(9);
    let Some(broker) = RabbitMq::start().await else { return };
    let place = broker.place();
    let (before, rest) = place.rsplit_once('@').unwrap();
    let (target, path) = rest.split_once('/').unwrap();
    let relay = Relay::before(target.to_owned()).await.unwrap();
    let url = format!("{before}@{}/{path}", relay.local());
    let bus = Arc::new(RabbitBus::connect(&url, "it").await.unwrap());
    let _requests = bus.serve(QUEUE, Server::new("it", 8, 1000)).await.unwrap();
    bus.ask(QUEUE, request(5000)).await.unwrap();
    let since = bus.served_since(QUEUE).await.unwrap();
    relay.lose_answers();
    let limit = Instant::now() + GIVEN_UP;
    while bus.ask(QUEUE, request(500)).await.is_err() {
        assert!(Instant::now() < limit, "never noticed");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(bus.served_since(QUEUE).await.unwrap() > since, "its queue was gone meanwhile");
}
