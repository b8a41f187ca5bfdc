//! Nodes that meet at a real database, a real cache and a real broker.

use std::time::Duration;

use cluster::Node;
use cluster::demo::{self, Shared};
use protocol::ports::{LEASE, Unit};
use protocol::{Event, Result};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::bus::broker;
use crate::mariadb::MariaDb;
use crate::platform::{Platform, plan};
use crate::redis::Redis;

/// Long after a node has gone quiet.
const INHERITED: Duration = LEASE.saturating_mul(2);

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_runs_on_three_nodes() {
    let Some(database) = MariaDb::start().await else { return };
    let Some(redis) = Redis::start().await else { return };
    let Some(broker) = broker::shared().await else { return };
    let shared = Shared { store: database.database().await, cache: redis.url(), bus: broker.place() };
    demo::run(false, Some(&shared)).await.unwrap();
}

/// A second node on the same database, in a folder of its own or in that of the first.
async fn second(url: &str, of: Option<&Platform>, serves: &str) -> Result<Node> {
    let own = std::env::temp_dir().join(format!("branchline-second-{}", Uuid::now_v7()));
    let mut plan = plan(of.map_or_else(|| own.clone(), |first| first.folder.clone()));
    plan.settings.node = "second".into();
    plan.store = url.to_owned();
    plan.serve = vec![serves.to_owned()];
    let started = Node::start(plan).await;
    let _ = std::fs::remove_dir_all(own);
    started
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_fit_the_others_is_refused_with_what_to_do() {
    let Some(database) = MariaDb::start().await else { return };
    let url = database.database().await;
    let store = url.clone();
    let first = Platform::with(|plan| plan.store = store).await;
    let refused = second(&url, None, "tag").await.err().unwrap();
    assert!(refused.message.contains("copy node.key from the data folder of one of them"), "{refused}");
    let fits = second(&url, Some(&first), "tag").await.unwrap();
    fits.stop(Duration::from_secs(5)).await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_by_mistake_does_not_end_the_first() {
    let Some(database) = MariaDb::start().await else { return };
    let store = database.database().await;
    let mut again = None;
    let first = Platform::with(|plan| {
        plan.store = store;
        again = Some(plan.clone());
    })
    .await;
    let refused = Node::start(again.unwrap()).await.err().unwrap();
    assert!(refused.message.contains("--sip: cannot listen on"), "{refused}");
    first.made("tags", json!({"name": "still here"})).await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_node_did_not_say_another_says_for_it() {
    let Some(database) = MariaDb::start().await else { return };
    let url = database.database().await;
    let store = url.clone();
    let heir = Platform::with(|plan| plan.store = store).await;
    let mut heard = heir.node.deps.bus.watch().await.unwrap();
    // a store that is neither closed nor renewed: its node was killed
    let dead = persistence::open(&url, "dead", &actors::resources()).await.unwrap();
    let event = json!({
        "type": "tag_left", "publisher": "tag-manager", "data_type": "application/json", "data": {},
        "id": Uuid::now_v7(), "resource": "tag",
    });
    let event: Event = serde_json::from_value(event).unwrap();
    dead.commit(Unit { events: vec![event.clone()], ..Unit::default() }).await.unwrap();
    let told = async {
        loop {
            let next = heard.recv().await.unwrap();
            if next.id == event.id {
                return;
            }
        }
    };
    timeout(INHERITED, told).await.expect("said by the heir");
    let late = dead.commit(Unit { events: vec![event], ..Unit::default() }).await.unwrap_err();
    assert!(late.is_fenced(), "{late}");
    dead.close().await;
    heir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_may_have_a_new_key_for_its_tokens() {
    let platform = Platform::start().await;
    let operator = platform.operator().await;
    std::fs::remove_file(platform.folder.join("token.key")).unwrap();
    let platform = platform.restart().await;
    assert_eq!(platform.send_as(&operator, "GET", "v1.0/tags", json!(null)).await.0, 401, "signed out");
    assert_eq!(platform.send_as(&platform.operator().await, "GET", "v1.0/tags", json!(null)).await.0, 200);
    platform.stop().await;
}
