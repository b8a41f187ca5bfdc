//! Pods of a pretended API server, through the real client, as facts of a whole node.

use std::collections::BTreeSet;
use std::sync::Arc;

use actors::kernel::TIMELINE_EVENT;
use cluster::Node;
use cluster::pods::Watched;
use cluster::telemetry::metrics;
use kubernetes::{Kubernetes, Limits};
use protocol::ports::{Deps, Filter};
use protocol::{Event, Page, Row, Scope};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::api_server::{ApiServer, NAMESPACE, SELECTOR, pod, uuid, with};
use crate::mariadb::MariaDb;
use crate::platform::{PATIENCE, Platform, plan};

/// A node that is gone is known after its lease, and the next one looks every 5 s.
const TURN: Duration = Duration::from_secs(40);

fn watched(server: &ApiServer) -> Watched {
    let limits = Limits { first_pause: Duration::from_millis(1), ..Limits::default() };
    Watched::Of(Arc::new(Kubernetes::at(server.url(), NAMESPACE, SELECTOR).unwrap().limits(limits)))
}

async fn platform(server: &ApiServer) -> Platform {
    Platform::with(|plan| plan.pods = watched(server)).await
}

/// The next fact about a pod.
async fn heard(events: &mut Receiver<Arc<Event>>) -> Arc<Event> {
    let next = async {
        loop {
            let event = events.recv().await.unwrap();
            if event.resource == "pod" {
                return event;
            }
        }
    };
    timeout(PATIENCE, next).await.expect("something is said about a pod")
}

/// What was ever said about pods, once there is so much of it; the oldest first.
async fn told(deps: &Deps, many: usize) -> Vec<String> {
    let (filter, page) = (Filter::by("publisher", "sentinel-manager"), Page { size: 2000, after: None });
    let limit = Instant::now() + PATIENCE;
    loop {
        let rows = deps.store.list(&TIMELINE_EVENT, Scope::Platform, &filter, &page).await.unwrap();
        if rows.len() >= many {
            let said = |row: &Row| format!("{} {}", text(&row["event_type"]), text(&row["data"]["node"]));
            return rows.iter().rev().map(said).collect();
        }
        assert!(Instant::now() < limit, "{} of {many}", rows.len());
        sleep(Duration::from_millis(5)).await;
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

async fn stored(deps: &Deps) -> u64 {
    let resource = deps.catalog().unwrap().named("pod").unwrap().resource;
    deps.store.count(resource, Scope::Platform, &Filter::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_gone_is_a_fact_and_one_that_stops_is_not() {
    let server = ApiServer::start().await;
    let platform = platform(&server).await;
    let mut events = platform.node.deps.bus.watch().await.unwrap();
    let first = with(pod("call-0", 1), "/metadata/annotations", json!({"branchline.io/node": "east"}));
    server.put(first.clone());
    assert_eq!(heard(&mut events).await.r#type, "pod_created");
    // nobody acts upon an address or a label
    let moved = with(first, "/status/podIP", "10.0.0.2");
    server.put(moved.clone());
    let stopping = with(moved, "/metadata/deletionTimestamp", "2026-01-01T00:00:00Z");
    server.put(stopping.clone());
    let event = heard(&mut events).await;
    assert_eq!((&*event.r#type, &event.data["status"]["podIP"]), ("pod_updated", &json!("10.0.0.2")));
    assert_eq!(event.data["metadata"]["deletionTimestamp"], "2026-01-01T00:00:00Z");
    server.put(with(stopping, "/status/conditions/0/status", "False"));
    assert_eq!(heard(&mut events).await.r#type, "pod_updated");
    server.delete("call-0");
    let event = heard(&mut events).await;
    assert_eq!((&*event.r#type, &*event.publisher), ("pod_deleted", "sentinel-manager"));
    assert_eq!((&event.data["node"], &event.data["metadata"]["name"]), (&json!("east"), &json!("call-0")));
    assert_eq!(event.data["metadata"]["uid"], uuid(1));
    assert_eq!(
        (&event.data["metadata"]["namespace"], stored(&platform.node.deps).await),
        (&json!(NAMESPACE), 0)
    );
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_nobodys_business_outside() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    let platform = platform(&server).await;
    told(&platform.node.deps, 1).await;
    let operator = platform.operator().await;
    let (status, answer) = platform.send_as(&operator, "GET", "v1.0/pods", Value::Null).await;
    assert_eq!(status, 404, "{answer}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_while_nobody_watched_is_told_at_the_next_start() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    server.put(pod("call-1", 2));
    let Platform { node, folder, .. } = platform(&server).await;
    told(&node.deps, 2).await;
    node.stop(Duration::from_secs(5)).await;
    // the next pod of a StatefulSet has the name of the one before
    server.delete("call-0");
    server.put(pod("call-0", 3));
    let mut again = plan(folder.clone());
    again.pods = watched(&server);
    let node = Node::start(again).await.unwrap();
    let all = told(&node.deps, 4).await;
    assert_eq!(all[2..], ["pod_deleted call-0", "pod_created call-0"]);
    assert_eq!(stored(&node.deps).await, 2);
    node.stop(Duration::from_secs(5)).await;
    let _ = std::fs::remove_dir_all(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_was_cut_and_is_too_old_misses_nobody() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    server.put(pod("call-1", 2));
    let platform = platform(&server).await;
    told(&platform.node.deps, 2).await;
    server.watched(1).await;
    server.cut();
    server.watched(2).await;
    server.refuse(&[500]);
    server.cut();
    server.delete("call-1");
    server.compact();
    assert_eq!(told(&platform.node.deps, 3).await[2], "pod_deleted call-1");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_500_deletions_is_500_facts_each_once() {
    let server = ApiServer::start().await;
    (0..500).for_each(|number| server.put(pod(&format!("call-{number}"), number)));
    let platform = platform(&server).await;
    told(&platform.node.deps, 500).await;
    server.watched(1).await;
    (0..500).for_each(|number| server.delete(&format!("call-{number}")));
    let all = told(&platform.node.deps, 1000).await;
    let gone: BTreeSet<_> = all.iter().filter(|said| said.starts_with("pod_deleted")).collect();
    assert_eq!((all.len(), gone.len(), stored(&platform.node.deps).await), (1000, 500, 0));
    assert_eq!(server.requests().0.len(), 1, "nothing was missed on the way");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_state_are_counted() {
    metrics::install();
    let server = ApiServer::start().await;
    let counted = with(
        pod("call-0", 1),
        "/metadata/labels",
        json!({"app": "branchline", "app.kubernetes.io/component": "metered"}),
    );
    server.put(counted.clone());
    let platform = platform(&server).await;
    told(&platform.node.deps, 1).await;
    server.put(with(counted, "/status/phase", "Failed"));
    server.delete("call-0");
    told(&platform.node.deps, 3).await;
    platform.stop().await;
    let page = metrics::render();
    for state in ["created", "updated", "deleted"] {
        let line = format!(
            "sentinel_manager_pod_state_change_total{{namespace=\"{NAMESPACE}\",app=\"metered\",state=\"{state}\"}} 1"
        );
        assert!(page.lines().any(|one| one == line), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nobody_to_ask_there_is_no_watch() {
    let platform = Platform::start().await;
    let tree = platform.node.tree().read();
    let sentinel = tree.children.iter().find(|leaf| leaf.name == "sentinel-manager").unwrap();
    let names: Vec<_> = sentinel.children.iter().map(|leaf| &*leaf.name).collect();
    assert_eq!(names, ["pool"]);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_of_two_watches_and_the_other_when_it_is_gone() {
    let Some(database) = MariaDb::start().await else { return };
    let url = database.database().await;
    let (server, other) = (ApiServer::start().await, ApiServer::start().await);
    server.put(pod("call-0", 1));
    other.put(pod("call-1", 2));
    let store = url.clone();
    let first = Platform::with(|plan| (plan.store, plan.pods) = (store, watched(&server))).await;
    told(&first.node.deps, 1).await;
    let mut second = plan(first.folder.clone());
    (second.settings.node, second.store, second.pods) = ("second".into(), url, watched(&other));
    second.serve = vec!["sentinel".into()];
    let second = Node::start(second).await.unwrap();
    server.put(with(pod("call-0", 1), "/status/phase", "Failed"));
    told(&second.deps, 2).await;
    assert_eq!(other.requests().0.len(), 0, "its turn has not come");
    let Platform { node, folder, .. } = first;
    node.stop(Duration::from_secs(5)).await;
    timeout(TURN, other.watched(1)).await.expect("it watches now");
    assert_eq!(told(&second.deps, 4).await[2..], ["pod_deleted call-0", "pod_created call-1"]);
    second.stop(Duration::from_secs(5)).await;
    let _ = std::fs::remove_dir_all(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_pod_is_gone_has_no_lease_any_more() {
    let Some(database) = MariaDb::start().await else { return };
    let url = database.database().await;
    let server = ApiServer::start().await;
    server.put(pod("call-7", 7));
    let (watched, store) = (watched(&server), url.clone());
    let platform = Platform::with(|plan| {
        plan.pods = watched;
        plan.store = store;
    })
    .await;
    told(&platform.node.deps, 1).await;
    let gone = persistence::open(&url, "call-7", &actors::resources()).await.unwrap();
    let alive = async || {
        let nodes = platform.node.deps.store.nodes().await.unwrap();
        nodes.iter().any(|peer| peer.node == "call-7" && peer.alive)
    };
    assert!(alive().await);
    let killed = Instant::now();
    server.delete("call-7");
    while alive().await {
        assert!(killed.elapsed() < PATIENCE, "the call domain does not listen");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(killed.elapsed() < protocol::ports::LEASE, "the lease ran out by itself");
    gone.close().await;
    platform.stop().await;
}
