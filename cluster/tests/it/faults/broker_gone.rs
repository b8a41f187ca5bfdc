//! A broker that is gone for a minute: facts wait, nothing else does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::bus::rabbit::RabbitBus;
use protocol::ports::{Bus as _, Subscription};
use protocol::sock;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;

use crate::bus::broker::RabbitMq;
use crate::bus::peers::{Follower, Got};
use crate::survival::program::Program;

const GONE: Duration = Duration::from_secs(60);
/// RabbitMQ 3.10 writes down within a second that a quorum queue exists; killed before, it starts it empty.
const SETTLED: Duration = Duration::from_secs(3);
/// Between two rounds of requests.
const TURN: Duration = Duration::from_millis(250);
/// All but the one domain that follows whatever happens, which is another node's: facts must get there.
const SERVED: &str = "gateway,billing,customer,idempotency,direct,tag,route,number,registrar,agent,tts,call,flow,\
     sentinel,timeline";
const ABROAD: &str = "webhook-manager";
/// From its return on. Nothing here is a claim of speed: the machine is shared.
const BACK: Duration = Duration::from_secs(30);

/// Writes and reads, all of which are answered as if nothing were wrong; the ids of what was made.
async fn goes_on(program: &Program, lasts: Duration) -> Vec<String> {
    let (began, mut tags) = (Instant::now(), Vec::new());
    while began.elapsed() < lasts {
        let tag = program.api.made("tags", json!({"name": "made"})).await;
        let (status, row) = program.api.get(&format!("tags/{tag}")).await;
        assert_eq!((status, &row["name"]), (200, &json!("made")));
        tags.push(tag);
        sleep(TURN).await;
    }
    tags
}

/// The fact of each making reaches who follows, under one id however often.
async fn are_told(got: &mut Got, tags: &[String]) {
    let mut told: BTreeMap<String, BTreeSet<Uuid>> = BTreeMap::new();
    let limit = Instant::now() + BACK;
    while tags.iter().any(|tag| !told.contains_key(tag)) {
        let next = timeout(limit.saturating_duration_since(Instant::now()), got.recv()).await;
        let event = next.unwrap_or_else(|_| panic!("{} of {} were told", told.len(), tags.len())).unwrap();
        if event.r#type == "tag_created" {
            let tag = event.data.get("id").and_then(Value::as_str).unwrap_or_default();
            told.entry(tag.to_owned()).or_default().insert(event.id);
        }
    }
    assert!(told.values().all(|ids| ids.len() == 1), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_gone_for_a_minute_loses_no_fact_and_delays_no_request() {
    let Some(mut broker) = RabbitMq::start().await else { return };
    let place = broker.place();
    let program = Program::with(&[("bus", &place), ("serve", SERVED)]).await;
    let bus = Arc::new(RabbitBus::connect(&place, "follows").await.unwrap());
    let (follower, mut got) = Follower::new(1_000_000);
    let _events =
        bus.subscribe(&Subscription::to_all(sock::subscribe_queue(ABROAD)), follower).await.unwrap();
    let mut tags = goes_on(&program, SETTLED).await;
    broker.kill();
    tags.extend(goes_on(&program, GONE).await);
    let ready = program.api.ask("GET", "health/ready", Value::Null).await.unwrap();
    assert_eq!(ready.0, 503, "{ready:?}");
    broker.restart().await;
    let back = Instant::now();
    while program.api.ask("GET", "health/ready", Value::Null).await.is_none_or(|(status, _)| status != 200) {
        assert!(back.elapsed() < BACK, "it is not ready again");
        sleep(TURN).await;
    }
    println!("ready {:?} after the broker", back.elapsed());
    are_told(&mut got, &tags).await;
    println!("{} facts were told {:?} after the broker", tags.len(), back.elapsed());
    program.stop().await;
}
