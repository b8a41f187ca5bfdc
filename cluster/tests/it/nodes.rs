//! Two nodes that share a broker and nothing else: each serves its domains to the other.

use std::time::Duration;

use cluster::bus::memory::MemoryBus;
use protocol::ports::Bus as _;
use protocol::{Scope, sock};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::pair::{Pair, far};
use crate::platform::PATIENCE;

/// A refusal takes no longer.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_another_node_is_like_one_of_our_own() {
    let pair = Pair::start().await;
    let near = &pair.near;
    let tag = near.made("tags", json!({"name": "vip", "detail": "pays"})).await;
    let path = format!("tags/{tag}");
    let (_, row) = near.put(&path, json!({"detail": "pays well"})).await;
    assert_eq!((&row["name"], &row["detail"]), (&json!("vip"), &json!("pays well")));
    assert_eq!(near.get("tags").await.1["result"][0]["id"], json!(tag));
    assert_eq!(near.post("tags", json!({"name": 1})).await.0, 400);
    let (id, of) = (tag.parse().unwrap(), pair.far.deps.catalog().unwrap().named("tag").unwrap().resource);
    assert!(near.node.deps.store.get(of, Scope::Platform, id).await.unwrap().is_none(), "not kept here");
    assert!(pair.far.deps.store.get(of, Scope::Platform, id).await.unwrap().is_some());
    assert_eq!(near.delete(&path).await.0, 200);
    assert_eq!(near.get(&path).await.0, 404);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_service_of_voipbin_could_ask_the_same() {
    let pair = Pair::start().await;
    let tag = pair.near.made("tags", json!({"name": "vip"})).await;
    let peer = MemoryBus::new(pair.broker.clone());
    let request = json!({
        "uri": format!("/v1/tags/{tag}"), "method": "GET", "publisher": "api-manager",
        "data_type": "application/json", "data": null,
    });
    let request: sock::Request = serde_json::from_value(request).unwrap();
    let answer = peer.ask("bin-manager.tag-manager.request", request.clone()).await.unwrap();
    assert_eq!((answer.status_code, &*answer.data_type), (200, "application/json"));
    assert_eq!(answer.data["name"], "vip");
    let nobody = sock::Request { uri: format!("/v1/tags/{}", uuid::Uuid::now_v7()), ..request };
    assert_eq!(peer.ask("bin-manager.tag-manager.request", nobody).await.unwrap().status_code, 404);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_cross_in_both_directions() {
    let pair = Pair::start().await;
    let mut here = pair.near.node.deps.bus.watch().await.unwrap();
    let mut there = pair.far.deps.bus.watch().await.unwrap();
    let tag = pair.near.made("tags", json!({"name": "vip"})).await;
    let told = async { while here.recv().await.unwrap().r#type != "tag_created" {} };
    timeout(PATIENCE, told).await.expect("told here");
    pair.near.made("flows", json!({"name": "f", "actions": []})).await;
    let told = async { while there.recv().await.unwrap().r#type != "flow_created" {} };
    timeout(PATIENCE, told).await.expect("told there");
    let noted = |story: &Value| story["result"][0]["event_type"] == "tag_created";
    pair.near.becomes(&format!("timelines/tags/{tag}/events"), noted).await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_service_of_voipbin_is_noted_too() {
    let pair = Pair::start().await;
    let tag = uuid::Uuid::now_v7();
    let customer = pair.near.get("customer").await.1["id"].clone();
    // VoIPBIN's services send neither an id nor the name of the resource
    let event = json!({
        "type": "tag_created", "publisher": "tag-manager", "data_type": "application/json",
        "data": {"id": tag, "customer_id": customer, "name": "theirs"},
    });
    let event = serde_json::from_value(event).unwrap();
    MemoryBus::new(pair.broker.clone()).publish(std::sync::Arc::new(event)).await.unwrap();
    let noted = |page: &Value| page["result"][0]["data"]["name"] == "theirs";
    pair.near.becomes(&format!("timelines/tags/{tag}/events"), noted).await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_row_of_another_node_does_not_exist() {
    let pair = Pair::start().await;
    let (_, stranger) = pair.near.another_customer("stranger@example.com").await;
    let tag = pair.near.made("tags", json!({"name": "mine"})).await;
    let never = uuid::Uuid::now_v7();
    for method in ["GET", "PUT", "DELETE"] {
        let body = if method == "PUT" { json!({"name": "theirs"}) } else { Value::Null };
        let ask = |id: String| pair.near.send_as(&stranger, method, id.leak(), body.clone());
        let foreign = ask(format!("v1.0/tags/{tag}")).await;
        assert_eq!((foreign.0, &foreign), (404, &ask(format!("v1.0/tags/{never}")).await), "{method}");
    }
    let theirs = pair.near.send_as(&stranger, "GET", "v1.0/tags", Value::Null).await;
    assert_eq!(theirs.1["result"], json!([]));
    assert_eq!(pair.near.get(&format!("tags/{tag}")).await.1["name"], "mine");
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_node_that_serves_it_a_request_is_refused_at_once() {
    let Pair { far: gone, folder, near, broker } = Pair::start().await;
    let tag = near.made("tags", json!({"name": "kept"})).await;
    gone.stop(Duration::from_secs(5)).await;
    for _ in 0..10 {
        let since = Instant::now();
        let (status, answer) = near.get(&format!("tags/{tag}")).await;
        assert_eq!((status, &answer["error"]["reason"]), (503, &json!("SERVICE_UNAVAILABLE")));
        assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    }
    assert_eq!(near.get("customer").await.0, 200, "the rest goes on");
    let back = far(&broker, &folder).await;
    let limit = Instant::now() + PATIENCE;
    while near.get(&format!("tags/{tag}")).await.0 != 200 {
        assert!(Instant::now() < limit, "never served again");
        sleep(Duration::from_millis(20)).await;
    }
    Pair { far: back, folder, near, broker }.stop().await;
}
