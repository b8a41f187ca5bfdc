//! Bytes that change on their way from a server: the node may refuse and connect again. Drivers of others panic at
//! some of them; that may cost a connection and nothing else.

use cluster::chaos::relay::{Relay, Where};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::{relayed, through};
use crate::api::{Api, LOOK};
use crate::bus::broker;
use crate::mariadb::MariaDb;
use crate::survival::program::Program;

/// How long it goes on, and what is spoilt at a time.
const NOISE: Duration = Duration::from_secs(4);
const PIECES: u32 = 3;
/// What waits for the rest of an answer that never comes gives its connection up after 3 s and begins anew. Only a
/// read that was on its way goes on waiting, for 30 s at most.
const BACK: Duration = Duration::from_secs(35);

/// Spoils what the servers behind the relays say, while clients ask.
async fn noise(api: &Api, relays: &[&Relay]) {
    let began = Instant::now();
    let mut turn = 0;
    while began.elapsed() < NOISE {
        let place = if turn % 2 == 0 { Where::Head } else { Where::Anywhere };
        for relay in relays {
            relay.spoil(PIECES, place);
        }
        turn += 1;
        tokio::select! {
            _ = api.ask("POST", "v1.0/tags", json!({"name": "noise"})) => {}
            _ = api.ask("GET", "v1.0/tags", Value::Null) => {}
            () = sleep(Duration::from_millis(200)) => {}
        }
    }
    for relay in relays {
        relay.heal();
    }
}

async fn works_again(program: &mut Program, kept: &str) {
    let limit = Instant::now() + BACK;
    let healed = Instant::now();
    loop {
        assert!(program.runs(), "it has ended");
        let ready = program.api.ask("GET", "health/ready", Value::Null).await;
        let written = program.api.ask("POST", "v1.0/tags", json!({"name": "after"})).await;
        if matches!((&ready, &written), (Some((200, _)), Some((200, _)))) {
            break;
        }
        assert!(Instant::now() < limit, "{ready:?} {written:?}");
        sleep(LOOK).await;
    }
    println!("all was well {:?} after the noise", healed.elapsed());
    assert_eq!(program.api.get(&format!("tags/{kept}")).await.1["name"], "kept");
    let ours = |line: &&str| line.contains("panicked at") && !line.contains("/registry/");
    assert_eq!(program.said().lines().find(ours), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn spoilt_answers_of_the_database_and_of_the_broker_end_connections_and_nothing_else() {
    let Some(database) = MariaDb::start().await else { return };
    let Some(broker) = broker::shared().await else { return };
    let (store, store_url) = relayed(&database).await;
    let place = broker.place();
    let target = place.rsplit_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let bus = Relay::before(target).await.unwrap();
    let bus_url = through(&bus, &place);
    let mut program = Program::with(&[("store", &store_url), ("bus", &bus_url)]).await;
    let kept = program.api.made("tags", json!({"name": "kept"})).await;
    for relays in [&[&store][..], &[&bus], &[&store, &bus]] {
        noise(&program.api, relays).await;
        works_again(&mut program, &kept).await;
    }
    program.stop().await;
}
