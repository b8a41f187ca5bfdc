//! Who may do what, and what nobody learns.

use protocol::{Method, Ops};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Answer;
use crate::domain::{AGENT, CALL, CUSTOMER, NOTE, PROVIDER, catalog};
use crate::world::World;

#[tokio::test]
async fn a_row_leaves_as_its_view() {
    let world = World::new().await;
    let answer = world.get(&format!("/v1.0/calls/{}", world.call)).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    let row = answer.json();
    assert_eq!((&row["id"], &row["tm_create"]), (&json!(world.call), &json!("2026-01-02T03:04:05.6Z")));
    assert!(row.get("channel").is_none() && row.get("rev").is_none(), "{row}");
    let flow = world.get(&format!("/v1.0/flows/{}", world.flow)).await.expect(200);
    let text = String::from_utf8_lossy(&flow.body).into_owned();
    assert!(text.contains(r"a \u003cflow\u003e \u0026 more"), "{text}");
    world.end().await;
}

#[tokio::test]
async fn a_plain_read_is_one_question() {
    let world = World::new().await;
    let path = format!("/v1.0/calls/{}", world.call);
    world.get(&path).await.expect(200);
    world.heard();
    world.get(&path).await.expect(200);
    let heard = world.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].starts_with(&format!("Customer({}) call Get", world.id)), "{heard:?}");
    world.end().await;
}

/// A foreign, a random and a deleted id, refused with the same bytes for every operation of an item.
#[tokio::test]
async fn what_you_may_not_see_does_not_exist() {
    let world = World::new().await;
    let deleted =
        world.domain.put(&CALL, json!({"customer_id": world.id, "tm_delete": "2026-01-01T00:00:00.000000Z"}));
    for (line, end) in [("GET", ""), ("DELETE", ""), ("POST", "/hangup"), ("POST", "/mute")] {
        let mut answers = Vec::new();
        for id in [world.theirs.call, Uuid::now_v7(), deleted] {
            let answer = world.call_with(&format!("{line} /v1.0/calls/{id}{end}"), &world.key, "").await;
            let mut headers = answer.headers.clone();
            headers.remove("date");
            answers.push((answer.refusal(), headers, answer.body));
        }
        assert_eq!(answers[0].0, (404, "CALL_NOT_FOUND".to_owned()));
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    }
    assert_eq!(world.domain.rows.lock().unwrap()[&("call", world.theirs.call)]["status"], "ringing");
    world.end().await;
}

/// Every operation of the catalog, asked by somebody unknown, by a stranger, and by one with too little.
#[tokio::test]
async fn every_operation_is_guarded() {
    let world = World::new().await;
    let weak = world.token(&world.ours, world.domain.put(&AGENT, json!({"customer_id": world.id})));
    for entry in &catalog().entries {
        let path = entry.resource.path;
        let random = Uuid::now_v7();
        let plain = [
            (Ops::LIST, Method::Get, String::new()),
            (Ops::CREATE, Method::Post, String::new()),
            (Ops::GET, Method::Get, format!("/{random}")),
            (Ops::UPDATE, Method::Put, format!("/{random}")),
            (Ops::DELETE, Method::Delete, format!("/{random}")),
        ];
        for (op, method, end) in plain {
            let line = format!("{} /v1.0/{path}{end}", method.name());
            if !entry.resource.ops.has(op) {
                world.call_with(&line, "", "{}").await.refused(404, "ROUTE_NOT_FOUND");
                continue;
            }
            world.call_with(&line, "", "{}").await.refused(401, "AUTHENTICATION_REQUIRED");
            let (code, _) = world.call_with(&line, &weak, r#"{"name":"x"}"#).await.refusal();
            let is_open = entry.resource.name == "note" && end.is_empty();
            assert!(is_open || code == 403 || code == 404, "{line}: {code}");
        }
        for verb in &entry.verbs {
            let line = format!("{} /v1.0/{path}/{random}/{}", verb.method.name(), verb.name);
            let known = verb.rule != protocol::Rule::Internal;
            let refusal = world.call_with(&line, "", "").await.refusal();
            assert_eq!(refusal.0, if known { 401 } else { 404 }, "{line}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_weak_caller_is_denied_what_it_can_see() {
    let world = World::new().await;
    let agent = world.token(&world.ours, world.agent);
    let line = format!("GET /v1.0/calls/{}", world.call);
    let denied = world.call_with(&line, &agent, "").await.refused(403, "PERMISSION_DENIED");
    let foreign = format!("GET /v1.0/calls/{}", world.theirs.call);
    world.call_with(&foreign, &agent, "").await.refused(404, "CALL_NOT_FOUND");
    let fields: Vec<_> = denied.json()["error"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["message", "reason", "request_id", "status"]);
    let manager = world.token(&world.ours, world.manager);
    world.call_with(&line, &manager, "").await.expect(200);
    world.call_with("GET /v1.0/accesskeys", &manager, "").await.refused(403, "PERMISSION_DENIED");
    world.call_with("GET /v1.0/accesskeys", &world.key, "").await.expect(200);
    world.end().await;
}

#[tokio::test]
async fn what_is_the_installations_is_for_operators() {
    let world = World::new().await;
    let operator = world.token(&world.ours, world.operator);
    for id in [world.provider, Uuid::now_v7()] {
        let line = format!("GET /v1.0/providers/{id}");
        world.call_with(&line, &world.key, "").await.refused(403, "PERMISSION_DENIED");
    }
    let line = format!("PUT /v1.0/providers/{}", world.provider);
    world.call_with(&line, &operator, r#"{"name":"other"}"#).await.expect(200);
    assert_eq!(world.domain.rows.lock().unwrap()[&("provider", world.provider)]["name"], "other");
    world.call_with("GET /v1.0/providers", &operator, "").await.expect(200);
    let theirs = format!("GET /v1.0/calls/{}", world.theirs.call);
    world.call_with(&theirs, &operator, "").await.expect(200);
    let own = world.call_with("GET /v1.0/calls", &operator, "").await.expect(200).json();
    assert_eq!(own["result"].as_array().unwrap().len(), 1, "{own}");
    world.end().await;
}

#[tokio::test]
async fn an_operator_acts_in_the_scope_of_the_owner() {
    let world = World::new().await;
    let operator = world.token(&world.ours, world.operator);
    let line = format!("POST /v1.0/calls/{}/hangup", world.theirs.call);
    world.call_with(&line, &operator, "").await.expect(200);
    let last = world.heard().pop().unwrap();
    assert!(last.starts_with(&format!("Customer({}) call Verb", world.theirs.id)), "{last}");
    world.end().await;
}

#[tokio::test]
async fn a_verb_of_an_own_mount_does_not_reach_another_customer() {
    let world = World::new().await;
    let admin = world.token(&world.ours, world.admin);
    world.call_with("PUT /v1.0/customer/metadata", &admin, "{}").await.expect(200);
    world.call_with("PUT /v1.0/customer/metadata", &admin, "").await.refused(400, "INVALID_JSON_BODY");
    let manager = world.token(&world.ours, world.manager);
    let refused = world.call_with("PUT /v1.0/customer/metadata", &manager, "{}").await;
    refused.refused(403, "PERMISSION_DENIED");
    let foreign = format!("PUT /v1.0/customers/{}/metadata", world.theirs.id);
    world.call_with(&foreign, &admin, "{}").await.refused(404, "CUSTOMER_NOT_FOUND");
    world.call_with("PUT /v1.0/customer", &admin, r#"{"name":"new"}"#).await.expect(200);
    assert_eq!(world.domain.rows.lock().unwrap()[&(CUSTOMER.name, world.id)]["name"], "new");
    world.end().await;
}

/// What an agent may not do with a call elsewhere it may do at the desk, and nothing else.
#[tokio::test]
async fn rows_have_other_rules_at_another_place() {
    let world = World::new().await;
    let agent = world.token(&world.ours, world.agent);
    let send = async |line: String| world.call_with(&line, &agent, "").await;
    let (own, theirs) = (world.call, world.theirs.call);
    send(format!("GET /v1.0/calls/{own}")).await.refused(403, "PERMISSION_DENIED");
    assert_eq!(send(format!("GET /v1.0/desk/calls/{own}")).await.expect(200).json()["id"], json!(own));
    send(format!("POST /v1.0/desk/calls/{own}/mute")).await.expect(200);
    for line in ["GET /v1.0/desk/calls".to_owned(), format!("POST /v1.0/desk/calls/{own}/hangup")] {
        send(line).await.refused(404, "ROUTE_NOT_FOUND");
    }
    send(format!("GET /v1.0/desk/calls/{theirs}")).await.refused(404, "CALL_NOT_FOUND");
    send("GET /v1.0/desk/calls/x".to_owned()).await.refused(400, "INVALID_ID");
    send("GET /v1.0/flows/available".to_owned()).await.refused(404, "ROUTE_NOT_FOUND");
    world.end().await;
}

#[tokio::test]
async fn an_admin_sees_its_own_rows_too_where_agents_do() {
    let world = World::new().await;
    let note = |owner: Uuid| world.domain.put(&NOTE, json!({"customer_id": world.id, "owner_id": owner}));
    let (own, _) = (note(world.admin), note(world.agent));
    let admin = world.token(&world.ours, world.admin);
    let list = world.call_with("GET /v1.0/desk/notes", &admin, "").await.expect(200).json();
    let ids: Vec<_> = list["result"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, [json!(own)]);
    world.get("/v1.0/desk/notes").await.refused(403, "PERMISSION_DENIED");
    world.end().await;
}

#[tokio::test]
async fn mounts_find_their_row() {
    let world = World::new().await;
    let agent = world.token(&world.ours, world.agent);
    let me = world.call_with("GET /v1.0/me", &agent, "").await.expect(200).json();
    assert_eq!(me["id"], json!(world.agent));
    assert!(me.get("password").is_none());
    world.get("/v1.0/me").await.refused(403, "AGENT_AUTH_REQUIRED");
    assert_eq!(world.get("/v1.0/customer").await.expect(200).json()["id"], json!(world.id));
    assert_eq!(world.get("/v1.0/billing_account").await.expect(200).json()["name"], "ours");
    world.domain.rows.lock().unwrap().retain(|(name, _), _| *name != "billing_account");
    world.get("/v1.0/billing_account").await.refused(404, "BILLING_ACCOUNT_NOT_FOUND");
    let asked = world.get("/v1.0/available_flows?country=de&page_size=7&token=").await.expect(200).json();
    assert_eq!(asked, json!({"asked": {"country": "de", "page_size": 7}, "customer": world.id}));
    world.end().await;
}

#[tokio::test]
async fn a_foreign_id_in_a_body_equals_an_absent_one() {
    let world = World::new().await;
    let create = async |body: Value| world.post("/v1.0/calls", body).await;
    create(json!({"flow_id": world.flow, "flow_ids": [world.flow]})).await.expect(200);
    create(json!({"flow_id": Uuid::nil()})).await.expect(200);
    let bodies = [world.theirs.flow, Uuid::now_v7()];
    let mut answers: Vec<Answer> = Vec::new();
    for id in bodies {
        answers.push(create(json!({"flow_id": id})).await.refused(404, "FLOW_NOT_FOUND"));
        answers.push(create(json!({"flow_ids": [world.flow, id]})).await.refused(404, "FLOW_NOT_FOUND"));
    }
    assert!(answers.windows(2).all(|pair| pair[0].body == pair[1].body));
    create(json!({"flow_ids": vec![world.flow; 101]})).await.refused(400, "INVALID_ARGUMENT");
    world.end().await;
}

#[tokio::test]
async fn a_shared_row_of_another_customer_does_not_exist_either() {
    let world = World::new().await;
    let account = |of: Uuid| {
        let rows = world.domain.rows.lock().unwrap();
        let mut accounts = rows
            .iter()
            .filter(|((name, _), row)| *name == "billing_account" && row["customer_id"] == json!(of));
        accounts.next().map(|((_, id), _)| *id).unwrap()
    };
    let (ours, theirs) = (account(world.id), account(world.theirs.id));
    world.post("/v1.0/calls", json!({"account_id": ours, "provider_id": world.provider})).await.expect(200);
    let refused = world.post("/v1.0/calls", json!({"account_id": theirs})).await;
    refused.refused(404, "BILLING_ACCOUNT_NOT_FOUND");
    world.heard();
    let line = "PUT /v1.0/billing_account";
    assert_eq!(world.call_with(line, &world.key, r#"{"name":"x"}"#).await.expect(200).json()["name"], "x");
    let scope = format!("Customer({})", world.id);
    let heard = world.heard();
    assert!(
        heard.iter().filter(|word| word.contains("billing_account")).all(|word| word.starts_with(&scope)),
        "{heard:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_body_does_not_say_whose_it_is() {
    let world = World::new().await;
    let made =
        world.post("/v1.0/flows", json!({"name": "x", "customer_id": world.theirs.id})).await.expect(200);
    assert_eq!(made.json()["customer_id"], json!(world.id));
    world.end().await;
}

#[tokio::test]
async fn a_secret_leaves_once() {
    let world = World::new().await;
    let made =
        world.post("/v1.0/accesskeys", json!({"name": "x", "token": "vb_new"})).await.expect(200).json();
    assert_eq!(made["token"], "vb_new");
    let path = format!("/v1.0/accesskeys/{}", made["id"].as_str().unwrap());
    assert!(world.get(&path).await.expect(200).json().get("token").is_none());
    world.end().await;
}

#[tokio::test]
async fn nobody_hands_out_more_than_they_hold() {
    let world = World::new().await;
    let (admin, manager) = (world.token(&world.ours, world.admin), world.token(&world.ours, world.manager));
    let operator = world.token(&world.ours, world.operator);
    let checks = [
        (&admin, 1, 403),
        (&admin, 32, 200),
        (&admin, 65536, 403),
        (&manager, 32, 403),
        (&manager, 16, 200),
        (&operator, 1, 200),
    ];
    for (who, permission, code) in checks {
        let body = json!({"username": "new@example.com", "permission": permission}).to_string();
        let answer = world.call_with("POST /v1.0/agents", who, &body).await;
        assert_eq!(answer.code.as_u16(), code, "{permission}");
    }
    let line = format!("DELETE /v1.0/agents/{}", world.admin);
    world.call_with(&line, &manager, "").await.refused(403, "PERMISSION_DENIED");
    let line = format!("DELETE /v1.0/agents/{}", world.operator);
    world.call_with(&line, &admin, "").await.refused(403, "PERMISSION_DENIED");
    world.end().await;
}

#[tokio::test]
async fn an_agent_has_its_own_rows() {
    let world = World::new().await;
    let agent = world.token(&world.ours, world.agent);
    let own = world.domain.put(&NOTE, json!({"customer_id": world.id, "owner_id": world.agent}));
    let other = world.domain.put(&NOTE, json!({"customer_id": world.id, "owner_id": world.manager}));
    world.call_with(&format!("GET /v1.0/notes/{own}"), &agent, "").await.expect(200);
    world.call_with(&format!("GET /v1.0/notes/{other}"), &agent, "").await.refused(403, "PERMISSION_DENIED");
    let line = format!("GET /v1.0/notes?owner_id={}", world.manager);
    let list = world.call_with(&line, &agent, "").await.expect(200).json();
    let ids: Vec<_> = list["result"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, [json!(own)]);
    let line = format!("PUT /v1.0/agents/{}", world.agent);
    world.call_with(&line, &agent, r#"{"name":"me"}"#).await.expect(200);
    let line = format!("PUT /v1.0/agents/{}", world.manager);
    world.call_with(&line, &agent, r#"{"name":"you"}"#).await.refused(403, "PERMISSION_DENIED");
    let shared = PROVIDER.path;
    world.call_with(&format!("GET /v1.0/{shared}"), &agent, "").await.refused(403, "PERMISSION_DENIED");
    world.end().await;
}
