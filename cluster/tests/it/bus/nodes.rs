//! Two whole nodes that share RabbitMQ and nothing else.

use std::collections::BTreeSet;

use cluster::Node;
use protocol::Scope;
use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

use super::broker;
use crate::platform::{PATIENCE, Platform, plan};

/// What the other node serves.
const AFAR: [&str; 2] = ["tag-manager", "timeline-manager"];

async fn far(url: &str, folder: &std::path::Path) -> Node {
    let mut plan = plan(folder.to_owned());
    plan.settings.node = "far".into();
    plan.serve = AFAR.map(String::from).to_vec();
    plan.bus = url.to_owned();
    Node::start(plan).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_request_is_answered_by_another_node_and_facts_cross_over_rabbitmq() {
    let Some(broker) = broker::shared().await else { return };
    let url = broker.place();
    let folder = std::env::temp_dir().join(format!("branchline-far-{}", uuid::Uuid::now_v7()));
    let far = far(&url, &folder).await;
    let domains: BTreeSet<&str> = far.deps.catalog().unwrap().entries.iter().map(|e| e.domain).collect();
    let others = domains.into_iter().filter(|name| !AFAR.contains(name)).chain(["gateway"]);
    let serve: Vec<String> = others.map(String::from).collect();
    let near = Platform::with(|plan| {
        plan.settings.node = "near".into();
        plan.serve = serve;
        plan.bus = url;
    })
    .await;

    let tag = near.made("tags", json!({"name": "vip"})).await;
    assert_eq!(near.put(&format!("tags/{tag}"), json!({"detail": "pays"})).await.1["detail"], "pays");
    assert_eq!(near.get("tags").await.1["result"][0]["id"], json!(tag));
    let (id, of) = (tag.parse().unwrap(), far.deps.catalog().unwrap().named("tag").unwrap().resource);
    assert!(near.node.deps.store.get(of, Scope::Platform, id).await.unwrap().is_none(), "not kept here");
    assert!(far.deps.store.get(of, Scope::Platform, id).await.unwrap().is_some());

    let mut there = far.deps.bus.watch().await.unwrap();
    let flow = near.made("flows", json!({"name": "f", "actions": []})).await;
    let told = async { while there.recv().await.unwrap().data.get("id") != Some(&json!(flow)) {} };
    timeout(PATIENCE, told).await.expect("told there");
    let both = |story: &Value| story["result"].as_array().is_some_and(|events| events.len() == 2);
    near.becomes(&format!("timelines/tags/{tag}/events"), both).await;

    far.stop(Duration::from_secs(5)).await;
    let (status, answer) = near.get(&format!("tags/{tag}")).await;
    assert_eq!((status, &answer["error"]["reason"]), (503, &json!("SERVICE_UNAVAILABLE")));
    near.stop().await;
    let _ = std::fs::remove_dir_all(folder);
}
