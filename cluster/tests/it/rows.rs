//! Plain rows through HTTP: what a client sees when all is well, and when it is not.

use serde_json::{Value, json};

use crate::platform::Platform;

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_lives_and_dies_and_says_so() {
    let platform = Platform::start().await;
    let mut events = platform.node.deps.bus.watch().await.unwrap();
    let tag = platform
        .made("tags", json!({"name": "vip", "detail": "pays", "customer_id": "someone else's"}))
        .await;
    let path = format!("tags/{tag}");
    let (_, row) = platform.put(&path, json!({"detail": "pays well", "unknown": 1})).await;
    assert_eq!((&row["name"], &row["detail"]), (&json!("vip"), &json!("pays well")));
    assert_eq!(row["customer_id"], json!(platform.welcome.customer_id));
    assert_eq!(platform.delete(&path).await.0, 200);
    assert_eq!(platform.get(&path).await.0, 404);
    let mut told = Vec::new();
    while told.len() < 3 {
        let event = events.recv().await.unwrap();
        if event.resource == "tag" {
            told.push(event.r#type.clone());
        }
    }
    assert_eq!(told, ["tag_created", "tag_updated", "tag_deleted"]);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_and_change_nothing() {
    let platform = Platform::start().await;
    let tag = platform.made("tags", json!({"name": "a"})).await;
    let path = format!("v1.0/tags/{tag}");
    for (method, path, body, status, reason) in [
        ("PUT", path.as_str(), json!({"name": 1}), 400, "INVALID_ARGUMENT"),
        ("PUT", path.as_str(), json!([]), 400, "INVALID_JSON_BODY"),
        ("PUT", path.as_str(), json!({"name": "x".repeat(300)}), 400, "INVALID_ARGUMENT"),
        ("POST", "v1.0/tags", json!("text"), 400, "INVALID_JSON_BODY"),
        ("GET", "v1.0/tags?page_size=many", Value::Null, 400, "INVALID_REQUEST_PARAMETER"),
        ("GET", "v1.0/tags?page_token=yesterday", Value::Null, 400, "INVALID_ARGUMENT"),
        ("GET", "v1.0/nothing", Value::Null, 404, "ROUTE_NOT_FOUND"),
        ("PATCH", path.as_str(), json!({}), 404, "ROUTE_NOT_FOUND"),
        ("POST", "v1.0/tags", json!({"name": "y".repeat(2 << 20)}), 400, "INVALID_ARGUMENT"),
    ] {
        let (got, answer) = platform.send(method, path, body).await;
        assert_eq!(
            (got, answer["error"]["reason"].as_str().unwrap_or_default()),
            (status, reason),
            "{method} {path}: {answer}"
        );
        assert_eq!(answer["error"]["request_id"], "test");
    }
    assert_eq!(platform.get(&format!("tags/{tag}")).await.1["name"], "a");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_every_row_once() {
    let platform = Platform::start().await;
    let mut made = Vec::new();
    for number in 0..25 {
        made.push(platform.made("tags", json!({"name": format!("tag {number}")})).await);
    }
    made.reverse();
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let (_, page) = platform.get(&format!("tags?page_size=7&page_token={token}")).await;
        let rows = page["result"].as_array().unwrap().clone();
        if rows.is_empty() {
            assert_eq!(page["next_page_token"], "");
            break;
        }
        seen.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        token = page["next_page_token"].as_str().unwrap().to_owned();
        platform.made("tags", json!({"name": "arrives meanwhile"})).await;
    }
    assert_eq!(seen, made);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_id_in_a_body_is_an_id_that_never_was() {
    let platform = Platform::start().await;
    let (_, stranger) = platform.another_customer("stranger@example.com").await;
    let flow = platform.made("flows", json!({"name": "mine", "actions": []})).await;
    let body = |flow: &str| json!({"number": "+899123000001", "type": "virtual", "call_flow_id": flow});
    let foreign = platform.send_as(&stranger, "POST", "v1.0/numbers", body(&flow)).await;
    let random = platform
        .send_as(&stranger, "POST", "v1.0/numbers", body("0190f3a0-0000-7000-8000-000000000001"))
        .await;
    assert_eq!((foreign.0, &foreign), (404, &random));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let platform = Platform::start().await;
    let tag = platform.made("tags", json!({"name": "kept"})).await;
    let (folder, key) = (platform.folder.clone(), platform.welcome.accesskey.clone());
    platform.node.stop(std::time::Duration::from_secs(5)).await;
    let node = cluster::Node::start(crate::platform::plan(folder.clone())).await.unwrap();
    assert!(cluster::first::welcome(&node.deps, &folder).await.unwrap().is_none());
    let scope = protocol::Scope::Platform;
    let tags = node.deps.catalog().unwrap().named("tag").unwrap().resource;
    let row = node.deps.store.get(tags, scope, tag.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(row["name"], "kept");
    assert!(!key.is_empty());
    node.stop(std::time::Duration::from_secs(5)).await;
    let _ = std::fs::remove_dir_all(folder);
}
