//! A broker out of memory: it takes nothing more to deliver, and says nothing of it.

use std::sync::Arc;

use cluster::bus::rabbit::RabbitBus;
use protocol::ports::{Bus as _, Subscription};
use serde_json::json;
use tokio::time::{Duration, Instant, timeout};
use uuid::Uuid;

use crate::bus::broker::RabbitMq;
use crate::bus::peers::{Follower, event, number};
use crate::survival::program::Program;

const SOON: Duration = Duration::from_secs(20);
const FACTS: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_out_of_memory_loses_no_event_and_the_api_reads_on() {
    let Some(broker) = RabbitMq::start().await else { return };
    let program = Program::with(&[("bus", &broker.place())]).await;
    let before = program.api.made("tags", json!({"name": "before"})).await;
    let place = broker.place();
    let bus = Arc::new(RabbitBus::connect(&place, "alarmed").await.unwrap());
    let (follower, mut got) = Follower::new(1_000_000);
    let _events = bus.subscribe(&Subscription::to_all("f"), follower).await.unwrap();
    broker.alarm(true).await;
    let row = Uuid::now_v7();
    let sender = bus.clone();
    let sent = tokio::spawn(async move {
        for n in 0..FACTS {
            // as the outbox does: again until it is confirmed
            while sender.publish(event(row, n)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    let tag = program.api.made("tags", json!({"name": "during"})).await;
    for tag in [&before, &tag] {
        let asked = Instant::now();
        let (status, row) = program.api.get(&format!("tags/{tag}")).await;
        assert_eq!(status, 200, "{row}");
        println!("read after {:?}", asked.elapsed());
    }
    assert!(!sent.is_finished(), "nothing is confirmed while the alarm is on");
    broker.alarm(false).await;
    timeout(SOON, sent).await.expect("confirmed").unwrap();
    let mut next = 0;
    while next < FACTS {
        let n = number(&timeout(SOON, got.recv()).await.expect("no event is lost").unwrap());
        assert!(n <= next, "{n} came before {next}");
        next = next.max(n + 1);
    }
    let story = format!("timelines/tags/{tag}/events");
    program.api.becomes(&story, |page| page["result"].as_array().is_some_and(|all| all.len() == 1)).await;
    program.stop().await;
}
