//! Lists, filters, bodies and the API's own description.

use protocol::Ops;
use protocol::delivered::DELIVERED;
use serde_json::{Value, json};

use crate::domain::{CALL, catalog};
use crate::world::World;

#[tokio::test]
async fn a_list_has_a_token_unless_it_is_empty() {
    let world = World::new().await;
    let page = world.get("/v1.0/calls?page_size=1").await.expect(200).json();
    let token = format!("2026-01-02T03:04:05.600000Z_{}", world.call);
    assert_eq!((&page["next_page_token"], &page["result"][0]["id"]), (&json!(token), &json!(world.call)));
    let page = world.get("/v1.0/calls?status=none").await.expect(200);
    assert_eq!(page.body, r#"{"next_page_token":"","result":[]}"#);
    world.get(&format!("/v1.0/calls?page_token={token}")).await.expect(200);
    world.get("/v1.0/calls?page_token=nonsense").await.refused(400, "INVALID_ARGUMENT");
    world.get("/v1.0/calls?page_size=ten").await.refused(400, "INVALID_REQUEST_PARAMETER");
    world.get("/v1.0/calls?page_size=-3").await.expect(200);
    world.end().await;
}

#[tokio::test]
async fn filters_are_declared_fields_of_their_kind() {
    let world = World::new().await;
    let muted = json!({"customer_id": world.id, "priority": 7, "is_muted": true});
    world.domain.put(&CALL, muted);
    let count = async |query: &str| {
        let page = world.get(&format!("/v1.0/calls?{query}")).await.expect(200).json();
        page["result"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 2);
    assert_eq!(count("priority=7").await, 1);
    assert_eq!(count("is_muted=true&status=").await, 1);
    assert_eq!(count(&format!("flow_id={}", world.flow.to_string().to_uppercase())).await, 1);
    assert_eq!(count(&format!("customer_id={}&channel=x&deleted=true&other=1", world.theirs.id)).await, 2);
    world.get("/v1.0/calls?priority=high").await.refused(400, "INVALID_REQUEST_PARAMETER");
    world.get("/v1.0/calls?flow_id=x").await.refused(400, "INVALID_REQUEST_PARAMETER");
    world.end().await;
}

#[tokio::test]
async fn a_query_is_the_command_of_a_verb_that_is_read() {
    let world = World::new().await;
    let path = "/v1.0/calls/search?name=a%20b&page_size=5&size=5&accesskey=";
    let asked = world.get(path).await.expect(200).json();
    assert_eq!(asked["asked"], json!({"name": "a b", "page_size": 5, "size": "5"}));
    world.end().await;
}

#[tokio::test]
async fn bodies_are_json_objects_or_refused() {
    let world = World::new().await;
    let post = async |body: &str| world.call_with("POST /v1.0/flows", &world.key, body).await;
    post(r#"{"name":"x","unknown":1} trailing"#).await.expect(200);
    for bad in ["", " ", "{", "[]", "1", "{\"name\":}"] {
        post(bad).await.refused(400, "INVALID_JSON_BODY");
    }
    post("{}").await.refused(400, "INVALID_ARGUMENT");
    let line = format!("PUT /v1.0/flows/{}", world.flow);
    world.call_with(&line, &world.key, "").await.refused(400, "INVALID_JSON_BODY");
    let hangup = format!("POST /v1.0/calls/{}/hangup", world.call);
    world.call_with(&hangup, &world.key, "").await.expect(200);
    world.call_with(&hangup, &world.key, "{").await.refused(400, "INVALID_JSON_BODY");
    let mute = format!("POST /v1.0/calls/{}/mute", world.call);
    assert!(world.call_with(&mute, &world.key, "").await.expect(200).body.is_empty());
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(1 << 20));
    let refused = post(&large).await.refused(400, "INVALID_ARGUMENT").json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("1048576"), "{refused}");
    world.end().await;
}

#[tokio::test]
async fn a_bad_path_is_told_apart_from_a_bad_id() {
    let world = World::new().await;
    for path in
        ["/v1.0/nothing", "/v1.0/calls/x/nothing", "/v1.0", "/", "/v2/calls", "/v1.0/calls/x/hangup/y"]
    {
        world.call_with(&format!("GET {path}"), "", "").await.refused(404, "ROUTE_NOT_FOUND");
    }
    world.call_with("PATCH /v1.0/calls", "", "").await.refused(404, "ROUTE_NOT_FOUND");
    let secret = format!("POST /v1.0/calls/{}/secret", world.call);
    world.call_with(&secret, &world.key, "").await.refused(404, "ROUTE_NOT_FOUND");
    world.call_with("POST /v1.0/agents/login", &world.key, "").await.refused(404, "ROUTE_NOT_FOUND");
    world.call_with("GET /v1.0/calls/x", "", "").await.refused(401, "AUTHENTICATION_REQUIRED");
    world.get("/v1.0/calls/x").await.refused(400, "INVALID_ID");
    world.get("/v1.0/calls/00000000-0000-0000-0000-000000000000").await.refused(400, "INVALID_ID");
    world.get(&format!("/v1.0/calls/{}", world.call.simple())).await.expect(200);
    let moved = world.get("/v1.0/calls/?a=b").await.expect(301);
    assert_eq!(moved.header("location"), "/v1.0/calls?a=b");
    let moved = world.call_with("POST /v1.0/calls/", "", "{}").await.expect(307);
    assert_eq!(moved.header("location"), "/v1.0/calls");
    world.get("//example.com/").await.refused(404, "ROUTE_NOT_FOUND");
    world.end().await;
}

#[tokio::test]
async fn the_description_has_every_route() {
    let world = World::new().await;
    let document = world.call_with("GET /openapi.json", "", "").await.expect(200).json();
    assert_eq!(document["openapi"], "3.0.3");
    let has =
        |method: &str, path: &str| assert!(!document["paths"][path][method].is_null(), "{method} {path}");
    for entry in catalog().entries.iter().filter(|entry| entry.resource.ops.has(Ops::LIST)) {
        let path = entry.resource.path;
        has("get", &format!("/v1.0/{path}"));
        has("delete", &format!("/v1.0/{path}/{{id}}"));
        for verb in entry.verbs.iter().filter(|verb| verb.rule != protocol::Rule::Internal) {
            has(&verb.method.name().to_lowercase(), &format!("/v1.0/{path}/{{id}}/{}", verb.name));
        }
    }
    has("get", "/v1.0/me");
    has("get", "/v1.0/available_flows");
    has("put", "/v1.0/customer/metadata");
    has("get", "/v1.0/desk/notes/{id}");
    has("post", "/v1.0/desk/calls/{id}/mute");
    assert!(document["paths"]["/v1.0/flows/available"].is_null(), "it has a path of its own");
    let text = document.to_string();
    assert!(!text.contains("standing") && !text.contains("\"channel\""), "internals leave");
    references(&document, &document);
    let mut ids: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| {
            path.as_object().unwrap().values().map(|operation| operation["operationId"].as_str().unwrap())
        })
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids are unique");
    assert_eq!(DELIVERED.len(), 95);
    world.end().await;
}

/// Every `$ref` leads somewhere.
fn references(within: &Value, document: &Value) {
    match within {
        Value::Object(fields) => {
            if let Some(to) = fields.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
            }
            fields.values().for_each(|value| references(value, document));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, document)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
