//! What breaks around a node, and nodes that break, under load: the real program through relays, over real servers.

mod alarm;
mod broker_gone;
mod chaos;
mod crash;
mod crowd;
mod cut_off;
mod database;
mod far;
mod spoilt;

use std::time::Duration;

use cluster::chaos::relay::Relay;
use tokio::time::Instant;

use crate::mariadb::MariaDb;

/// What a client waits for a refusal. Nothing here is a claim of speed: the machine is shared.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

/// A database, and a relay that leads to it: the URL through it.
async fn relayed(database: &MariaDb) -> (Relay, String) {
    let relay = Relay::before(format!("127.0.0.1:{}", database.port)).await.unwrap();
    let url = through(&relay, &database.database().await);
    (relay, url)
}

/// The URL that leads through the relay.
fn through(relay: &Relay, url: &str) -> String {
    let (before, rest) = url.rsplit_once('@').unwrap();
    let (_, path) = rest.split_once('/').unwrap();
    format!("{before}@{}/{path}", relay.local())
}

fn late(since: Instant) -> bool {
    since.elapsed() > REFUSED_WITHIN
}
