//! The HTTP API against VoIPBIN's contract. What differs is listed, and why; any other difference fails.
//!
//! The files in `contract/` are facts. `operations.txt`: every operation and whom VoIPBIN lets use it.
//! `fields.json`: by path, what leaves. `unbuilt.txt` may only shrink. `additions.txt`: what is ours alone.

use std::collections::{BTreeMap, BTreeSet};

use protocol::catalog::no_route;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::platform::Platform;

const OPERATIONS: &str = include_str!("contract/operations.txt");
const UNBUILT: &str = include_str!("contract/unbuilt.txt");
const ADDITIONS: &str = include_str!("contract/additions.txt");
const FIELDS: &str = include_str!("contract/fields.json");

/// Fields, by path, that differ from the contract.
const OTHER_FIELDS: &[(&str, &str, &str)] = &[
    ("customers", "customer_id", "every row says whose it is"),
    ("customers", "terms_agreed_ip", "sign-up is not built"),
    ("customers", "terms_agreed_version", "sign-up is not built"),
    ("customers", "webhook_secret", "stands in the answer to a creation only"),
    ("providers", "addresses", "carriers are known by their networks"),
    ("providers", "customer_id", "every row says whose it is"),
    ("providers", "password", "carriers may want digest credentials"),
    ("providers", "realm", "carriers may want digest credentials"),
    ("providers", "transport", "carriers may want TCP"),
    ("providers", "username", "carriers may want digest credentials"),
];

/// Operations that others may use than in VoIPBIN.
const OTHER_ACCESS: &[(&str, &str, &str)] =
    &[("GET /service_agents/calls", "own", "any agent lists its own calls: VoIPBIN filters, we call it own")];

/// An operation with its path's names left out: `GET /calls/{}`.
fn plain(operation: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    operation.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The operation at the beginning of a line, and the rest.
fn read(line: &str) -> (String, &str) {
    let end = line.match_indices(' ').nth(1).map_or(line.len(), |(at, _)| at);
    (plain(&line[..end]), line[end..].trim())
}

/// What the platform serves below `/v1.0`, as its own description says.
async fn described(platform: &Platform) -> (BTreeMap<String, Value>, Value) {
    let (status, document) = platform.send_as("", "GET", "openapi.json", Value::Null).await;
    assert_eq!(status, 200);
    let mut all = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/v1.0") else { continue };
        for (method, operation) in operations.as_object().unwrap() {
            all.insert(plain(&format!("{} {path}", method.to_uppercase())), operation.clone());
        }
    }
    (all, document)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_of_the_contract_is_served_or_listed_as_unbuilt() {
    let platform = Platform::start().await;
    let operator = platform.operator().await;
    let listed: BTreeSet<&str> = UNBUILT.lines().collect();
    let (mut missing, mut built, mut known) = (Vec::new(), Vec::new(), BTreeSet::new());
    for line in OPERATIONS.lines() {
        let operation = line.rsplit_once(' ').unwrap().0;
        known.insert(operation);
        let (method, path) = operation.split_once(' ').unwrap();
        let root = if path.starts_with("/auth/") { "" } else { "v1.0" };
        let some =
            |part: &str| if part.starts_with('{') { Uuid::new_v4().to_string() } else { part.to_owned() };
        let path = format!("{root}{path}").trim_start_matches('/').split('/').map(some).collect::<Vec<_>>();
        let (_, answer) = platform.send_as(&operator, method, &path.join("/"), json!({})).await;
        // the reason alone is also that of a missing row of /routes
        let is_missing = answer["error"]["message"] == no_route().message;
        match (is_missing, listed.contains(operation)) {
            (true, false) => missing.push(operation),
            (false, true) => built.push(operation),
            (true, true) | (false, false) => {}
        }
    }
    assert_eq!(known.len(), 410);
    assert!(missing.is_empty(), "not served, and not in unbuilt.txt: {missing:#?}");
    assert!(built.is_empty(), "served: take them out of unbuilt.txt: {built:#?}");
    let strays: Vec<_> = listed.difference(&known).collect();
    assert!(strays.is_empty(), "no operations of the contract: {strays:#?}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ours_alone_is_listed() {
    let platform = Platform::start().await;
    let (served, _) = described(&platform).await;
    let contract: BTreeSet<_> = OPERATIONS.lines().map(|line| read(line).0).collect();
    let ours: BTreeSet<_> = served.into_keys().filter(|operation| !contract.contains(operation)).collect();
    let listed: BTreeSet<_> = ADDITIONS.lines().map(|line| read(line).0).collect();
    assert!(ADDITIONS.lines().all(|line| !read(line).1.is_empty()), "every addition has a reason");
    assert_eq!(ours, listed, "served beyond the contract (left), listed in additions.txt (right)");
    platform.stop().await;
}

/// A kind of the contract, or of our description, in one word.
fn kind(schema: &Value) -> String {
    let text = |name: &str| schema[name].as_str().unwrap_or_default();
    match (schema["enum"].as_array(), text("format"), text("type")) {
        (Some(of), ..) => of.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|"),
        (None, "uuid" | "date-time", _) => text("format").to_owned(),
        (None, _, "") => "any".to_owned(),
        (None, _, kind) => kind.to_owned(),
    }
}

/// The words of a choice may stand in any order; what is any JSON may be an object.
fn is_same(theirs: &str, ours: &str) -> bool {
    let words = |kind: &str| kind.split('|').map(str::to_owned).collect::<BTreeSet<_>>();
    words(theirs) == words(ours) || (theirs == "object" && ours == "any")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_has_the_contracts_fields() {
    let platform = Platform::start().await;
    let (served, document) = described(&platform).await;
    let contract: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(FIELDS).unwrap();
    let (mut wrong, mut found) = (Vec::new(), BTreeSet::new());
    let mut compared = 0;
    for (path, theirs) in &contract {
        let Some(read) = served.get(&format!("GET /{path}/{{}}")) else { continue };
        let schema = &read["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        let schema = document.pointer(schema.as_str().unwrap().trim_start_matches('#')).unwrap();
        let ours = schema["properties"].as_object().unwrap();
        compared += 1;
        for name in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
            let pair = (theirs.get(name), ours.get(name).map(kind));
            if matches!(&pair, (Some(theirs), Some(ours)) if is_same(theirs, ours)) {
                continue;
            }
            match OTHER_FIELDS.iter().find(|(at, field, _)| at == path && field == name) {
                Some((at, field, _)) => drop(found.insert((*at, *field))),
                None => wrong.push(format!("{path}.{name}: theirs {:?}, ours {:?}", pair.0, pair.1)),
            }
        }
    }
    assert!(compared >= 15, "only {compared} resources are compared");
    assert!(wrong.is_empty(), "{wrong:#?}");
    let listed: BTreeSet<_> = OTHER_FIELDS.iter().map(|(at, field, _)| (*at, *field)).collect();
    assert_eq!(found, listed, "a listed difference is none any more");
    platform.stop().await;
}

/// Our words for whom VoIPBIN lets use an operation; several where its words do not say.
fn words(theirs: &str) -> &'static [&'static str] {
    match theirs {
        "ProjectSuperAdmin" => &["platform"],
        "CustomerAdmin" => &["admin"],
        "CustomerAdmin|CustomerManager" => &["staff"],
        "All" | "CustomerAll" | "CustomerAdmin|CustomerAgent|CustomerManager" => &["member"],
        "Self" | "CustomerAdmin|CustomerManager|Self" => &["own"],
        "Anyone" => &["member", "own"],
        other => panic!("{other} is no permission of the contract"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_open_to_whom_the_contract_says() {
    let platform = Platform::start().await;
    let (served, _) = described(&platform).await;
    let (mut wrong, mut found) = (Vec::new(), BTreeSet::new());
    for line in OPERATIONS.lines() {
        let (operation, theirs) = read(line);
        let Some(ours) = served.get(&operation) else { continue };
        let ours = ours["x-access"].as_str().unwrap_or_else(|| panic!("{operation} says not for whom it is"));
        if words(theirs).contains(&ours) {
            continue;
        }
        match OTHER_ACCESS.iter().find(|(listed, who, _)| plain(listed) == operation && *who == ours) {
            Some((listed, ..)) => drop(found.insert(*listed)),
            None => wrong.push(format!("{operation}: theirs {theirs}, ours {ours}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let listed: BTreeSet<_> = OTHER_ACCESS.iter().map(|(listed, ..)| *listed).collect();
    assert_eq!(found, listed, "a listed difference is none any more");
    platform.stop().await;
}

/// A page of every collection, empty or not, has the two fields that clients read.
#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_a_page() {
    let platform = Platform::start().await;
    let operator = platform.operator().await;
    let contract: BTreeMap<String, Value> = serde_json::from_str(FIELDS).unwrap();
    let unbuilt: BTreeSet<&str> = UNBUILT.lines().collect();
    for path in contract.keys().filter(|path| OPERATIONS.contains(&format!("GET /{path} "))) {
        if unbuilt.contains(format!("GET /{path}").as_str()) {
            continue;
        }
        let (status, page) =
            platform.send_as(&operator, "GET", &format!("v1.0/{path}?page_size=1"), Value::Null).await;
        assert_eq!(status, 200, "{path} {page}");
        assert!(page["result"].is_array() && page["next_page_token"].is_string(), "{path} {page}");
    }
    platform.stop().await;
}

const PASSWORD: &str = "a-long-secret";

async fn agent(platform: &Platform, username: &str, tags: &[&String]) -> String {
    let body = json!({"username": username, "password": PASSWORD, "permission": 16, "tag_ids": tags});
    platform.made("agents", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sees_at_its_desk_what_it_may_not_manage() {
    let platform = Platform::start().await;
    let tag = platform.made("tags", json!({"name": "vip"})).await;
    let id = agent(&platform, "desk@example.com", &[&tag]).await;
    let desk = platform.api().try_login("desk@example.com", PASSWORD).await.unwrap();
    assert_eq!(desk.get("tags").await.0, 403);
    assert_eq!(desk.list("service_agents/tags").await[0]["id"], json!(tag));
    assert_eq!(desk.get(&format!("service_agents/tags/{tag}")).await.1["name"], "vip");
    assert_eq!(desk.list("service_agents/agents").await.len(), 2);
    assert_eq!(desk.list("service_agents/calls").await, Vec::<Value>::new());
    assert_eq!(desk.put("service_agents/me/addresses", json!({"addresses": []})).await.0, 200);
    assert_eq!(desk.put(&format!("agents/{id}/addresses"), json!({"addresses": []})).await.0, 403);
    assert_eq!(desk.put("me/permission", json!({"permission": 32})).await.0, 404);
    let (_, stranger) = platform.another_customer("stranger@example.com").await;
    let foreign = platform.api().with_key(&stranger).get(&format!("service_agents/tags/{tag}")).await;
    assert_eq!(foreign.0, 404);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_found_by_any_of_their_tags() {
    let platform = Platform::start().await;
    let a = platform.made("tags", json!({"name": "a"})).await;
    let b = platform.made("tags", json!({"name": "b"})).await;
    let one = agent(&platform, "one@example.com", &[&a]).await;
    let both = agent(&platform, "both@example.com", &[&a, &b]).await;
    for (tags, expected) in
        [(a.clone(), vec![&both, &one]), (b.clone(), vec![&both]), (format!("{b},{a}"), vec![&both, &one])]
    {
        let found = platform.api().list(&format!("agents?tag_ids={tags}")).await;
        let ids: Vec<_> = found.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{tags}");
    }
    assert_eq!(platform.get("agents?tag_ids=nobody").await.0, 400);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_id_is_an_unset_one() {
    let platform = Platform::start().await;
    let flow = json!({"name": "f", "detail": "", "actions": [], "on_complete_flow_id": ""});
    let flow = platform.api().row("flows", flow).await;
    assert_eq!(flow["on_complete_flow_id"], json!(Uuid::nil()));
    let number = json!({"number": "+899123000001", "type": "virtual", "call_flow_id": flow["id"], "message_flow_id": ""});
    let path = format!("numbers/{}/flow_ids", platform.made("numbers", number).await);
    let (status, row) = platform.put(&path, json!({"call_flow_id": ""})).await;
    assert_eq!((status, &row["call_flow_id"]), (200, &json!(Uuid::nil())), "{row}");
    let route = json!({"customer_id": platform.welcome.customer_id, "provider_id": "", "target": "all"});
    let operator = platform.api().with_key(&platform.operator().await);
    let (status, answer) = operator.post("routes", route).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("provider_id is required")));
    assert_eq!(platform.put("customer/metadata", Value::Null).await.0, 400);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_what_a_customer_may_dial() {
    let platform = Platform::start().await;
    let (other, key) = platform.another_customer("other@example.com").await;
    let operator = platform.api().with_key(&platform.operator().await);
    let path = format!("outbound_configs?customer_id={other}");
    let page =
        operator.becomes(&path, |page| page["result"].as_array().is_some_and(|rows| rows.len() == 1)).await;
    let row = &page["result"][0];
    assert_eq!(row["customer_id"], json!(other));
    let path = format!("outbound_configs/{}", row["id"].as_str().unwrap());
    assert_eq!(operator.put(&path, json!({"destination_whitelist": ["us"]})).await.0, 200);
    let own = platform.api().with_key(&key).get("outbound_config").await;
    assert_eq!((own.0, &own.1["destination_whitelist"]), (200, &json!(["us"])));
    assert_eq!(operator.post("outbound_configs", json!({"name": "second"})).await.0, 400);
    assert_eq!(operator.post("outbound_configs", json!({"customer_id": other})).await.0, 409);
    assert_eq!(operator.post("outbound_configs", json!({"customer_id": Uuid::new_v4()})).await.0, 404);
    platform.stop().await;
}
