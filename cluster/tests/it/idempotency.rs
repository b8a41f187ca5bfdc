//! A request that is sent again under its `Idempotency-Key` is not carried out again.

use chrono::{TimeDelta, Utc};
use protocol::ports::{Filter, Unit, Write};
use protocol::{Page, Resource, Row, Scope, time};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::api::{LOOK, PATIENCE, Whole};
use crate::platform::Platform;

const VIP: &str = r#"{"name": "vip"}"#;

fn read(answer: &Whole) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

fn is_replayed(answer: &Whole) -> bool {
    answer.headers().get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// The status and the reason.
fn refusal(answer: &Whole) -> (u16, String) {
    let reason = read(answer)["error"]["reason"].as_str().unwrap_or_default().to_owned();
    (answer.status().as_u16(), reason)
}

#[track_caller]
fn refused(answer: &Whole, code: u16, reason: &str) {
    assert_eq!(refusal(answer), (code, reason.to_owned()), "{answer:?}");
}

/// The first answer again: its status, its media type, its bytes, and a mark.
#[track_caller]
fn replays(again: &Whole, first: &Whole) {
    assert!(is_replayed(again) && !is_replayed(first), "{again:?}");
    assert_eq!((again.status(), again.body()), (first.status(), first.body()));
    assert_eq!(again.headers().get("content-type"), first.headers().get("content-type"));
}

fn keys(platform: &Platform) -> &'static Resource {
    platform.node.deps.catalog().unwrap().named("idempotency_key").unwrap().resource
}

/// The keys that stand for something, or with `deleted` all that ever did.
async fn stored(platform: &Platform, deleted: bool) -> Vec<Row> {
    let (filter, page) = (Filter { deleted, ..Filter::default() }, Page { size: 100, after: None });
    platform.node.deps.store.list(keys(platform), Scope::Platform, &filter, &page).await.unwrap()
}

/// Changes the only key there is: how it stands, and since when.
async fn set(platform: &Platform, status: &str, age: TimeDelta) {
    let row = stored(platform, false).await.pop().unwrap();
    let patch = Row::from_iter([
        ("status".to_owned(), json!(status)),
        ("tm_create".to_owned(), json!(time::stamp(Utc::now() - age))),
    ]);
    let (id, rev) = (row["id"].as_str().unwrap().parse().unwrap(), row["rev"].as_i64().unwrap());
    let write =
        Write::Update { resource: keys(platform), id, scope: Scope::Platform, patch, rev, after: None };
    platform.node.deps.store.commit(Unit { writes: vec![write], ..Unit::default() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_is_answered_again_and_done_once() {
    let platform = Platform::start().await;
    let api = platform.api();
    let first = api.once("a", "tags", VIP).await;
    assert_eq!(first.status(), 200);
    for _ in 0..3 {
        replays(&api.once("a", "tags", VIP).await, &first);
    }
    assert_ne!(api.once("b", "tags", VIP).await.body(), first.body());
    assert_eq!(api.list("tags").await.len(), 2);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_again_and_not_stored_in_the_clear() {
    let platform = Platform::start().await;
    let body = r#"{"name": "ci", "expire": 86400}"#;
    let first = platform.api().once("a", "accesskeys", body).await;
    let token = read(&first)["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("vb_"));
    replays(&platform.api().once("a", "accesskeys", body).await, &first);
    assert_eq!(platform.api().with_key(&token).get("customer").await.0, 200);
    for file in std::fs::read_dir(&platform.folder).unwrap().map(|file| file.unwrap().path()) {
        let bytes = if file.is_file() { std::fs::read(&file).unwrap() } else { Vec::new() };
        let shown = bytes.windows(token.len()).any(|part| part == token.as_bytes());
        assert!(!shown, "{} shows the token", file.display());
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_request_of_one_caller() {
    let platform = Platform::start().await;
    let api = platform.api();
    let first = api.once("a", "tags", VIP).await;
    refused(&api.once("a", "tags", r#"{"name": "other"}"#).await, 409, "IDEMPOTENCY_KEY_REUSED");
    refused(&api.once("a", "tags?x=1", VIP).await, 409, "IDEMPOTENCY_KEY_REUSED");
    refused(&api.once("a", "agents", VIP).await, 409, "IDEMPOTENCY_KEY_REUSED");
    let admin = api.with_key(&platform.operator().await);
    let another = admin.once("a", "tags", VIP).await;
    refused(&another, 409, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(read(&another)["error"]["status"], "FAILED_PRECONDITION");
    replays(&api.once("a", "tags", VIP).await, &first);
    assert_eq!(api.list("tags").await.len(), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_two_customers_are_independent() {
    let platform = Platform::start().await;
    let (_, stranger) = platform.another_customer("stranger@example.com").await;
    let theirs = platform.api().with_key(&stranger);
    let first = platform.api().once("a", "tags", VIP).await;
    let other = theirs.once("a", "tags", r#"{"name": "theirs"}"#).await;
    assert_eq!((other.status().as_u16(), is_replayed(&other)), (200, false));
    replays(&platform.api().once("a", "tags", VIP).await, &first);
    assert_eq!((platform.api().list("tags").await.len(), theirs.list("tags").await.len()), (1, 1));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_requests_at_the_same_time_one_is_carried_out() {
    let platform = Platform::start().await;
    let mut asked = JoinSet::new();
    for _ in 0..20 {
        let api = platform.api().clone();
        asked.spawn(async move { api.once("a", "tags", VIP).await });
    }
    let (mut done, mut first) = (0, None);
    for answer in asked.join_all().await {
        if answer.status() != 200 {
            refused(&answer, 409, "IDEMPOTENCY_KEY_IN_PROGRESS");
            assert_eq!(answer.headers()["retry-after"], "1");
            continue;
        }
        done += usize::from(!is_replayed(&answer));
        let body = first.get_or_insert_with(|| answer.body().clone());
        assert_eq!(answer.body(), body);
    }
    assert_eq!((done, platform.api().list("tags").await.len()), (1, 1));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_outlives_the_process() {
    let platform = Platform::start().await;
    let first = platform.api().once("a", "tags", VIP).await;
    let platform = platform.restart().await;
    replays(&platform.api().once("a", "tags", VIP).await, &first);
    assert_eq!(platform.api().list("tags").await.len(), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_repeated_unless_it_is_for_want_of_a_right() {
    let platform = Platform::start().await;
    let api = platform.api();
    for (key, body, reason) in
        [("a", r#"{"name": 1}"#, "INVALID_ARGUMENT"), ("b", "no JSON", "INVALID_JSON_BODY")]
    {
        let first = api.once(key, "tags", body).await;
        refused(&first, 400, reason);
        replays(&api.once(key, "tags", body).await, &first);
    }
    for _ in 0..2 {
        let answer = api.once("c", "providers", "{}").await;
        refused(&answer, 403, "PERMISSION_DENIED");
        assert!(!is_replayed(&answer));
    }
    assert_eq!(stored(&platform, false).await.len(), 2);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_request_that_was_cut_off_was_done_is_said_to_be_unknown() {
    let platform = Platform::start().await;
    let api = platform.api();
    api.once("a", "tags", VIP).await;
    set(&platform, "claimed", TimeDelta::seconds(60)).await;
    refused(&api.once("a", "tags", VIP).await, 409, "IDEMPOTENCY_KEY_IN_PROGRESS");
    set(&platform, "claimed", TimeDelta::seconds(120)).await;
    for _ in 0..2 {
        refused(&api.once("a", "tags", VIP).await, 409, "IDEMPOTENCY_OUTCOME_UNKNOWN");
    }
    assert_eq!(api.list("tags").await.len(), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_is_not_repeated() {
    let platform = Platform::start().await;
    let action = json!({"type": "talk", "option": {"text": "x".repeat(600), "language": "en-US"}});
    let body = json!({"name": "long", "actions": vec![action; 500]}).to_string();
    assert_eq!(platform.api().once("a", "flows", &body).await.status(), 200);
    refused(&platform.api().once("a", "flows", &body).await, 409, "IDEMPOTENCY_ANSWER_NOT_KEPT");
    assert_eq!(platform.api().list("flows").await.len(), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_free_after_a_day() {
    let platform = Platform::start().await;
    let api = platform.api();
    let first = api.once("a", "tags", VIP).await;
    set(&platform, "answered", TimeDelta::hours(24) - TimeDelta::minutes(1)).await;
    replays(&api.once("a", "tags", VIP).await, &first);
    set(&platform, "answered", TimeDelta::hours(24)).await;
    let other = api.once("a", "tags", r#"{"name": "other"}"#).await;
    assert_eq!((other.status().as_u16(), is_replayed(&other)), (200, false));
    assert_eq!((api.list("tags").await.len(), stored(&platform, false).await.len()), (2, 1));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_forgotten_after_a_day() {
    let platform = Platform::start().await;
    platform.api().once("a", "tags", VIP).await;
    set(&platform, "answered", TimeDelta::hours(25)).await;
    // a node that starts looks for what is old
    let platform = platform.restart().await;
    let since = Instant::now();
    while !stored(&platform, false).await.is_empty() {
        assert!(since.elapsed() < PATIENCE, "the key is still there");
        sleep(LOOK).await;
    }
    let row = stored(&platform, true).await.pop().unwrap();
    for field in ["name", "fingerprint", "body"] {
        assert_eq!(row[field], "", "{field}");
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_is_refused_and_none_stores_nothing() {
    let platform = Platform::start().await;
    for key in ["", "two words", &"k".repeat(256)] {
        let answer = platform.api().once(key, "tags", VIP).await;
        refused(&answer, 400, "INVALID_ARGUMENT");
        let message = read(&answer)["error"]["message"].to_string();
        assert!(message.contains("Idempotency-Key") && message.contains("255"), "{message}");
    }
    platform.made("tags", json!({"name": "vip"})).await;
    assert!(stored(&platform, true).await.is_empty());
    assert_eq!(platform.api().once(&"k".repeat(255), "tags", VIP).await.status(), 200);
    assert_eq!(stored(&platform, true).await.len(), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_with_their_customer_and_are_nobodys_business() {
    let platform = Platform::start().await;
    let (id, key) = platform.another_customer("stranger@example.com").await;
    platform.api().with_key(&key).once("a", "tags", VIP).await;
    let operator = platform.operator().await;
    for (method, path) in [("GET", "v1.0/idempotency_keys"), ("POST", "v1.0/idempotency_keys/claim")] {
        assert_eq!(platform.send_as(&operator, method, path, json!({})).await.0, 404, "{method} {path}");
    }
    let (_, row) = platform.send_as(&operator, "GET", &format!("v1.0/customers/{id}"), Value::Null).await;
    let (publisher, name) = ("customer-manager", "customer_deleted");
    let gone = json!({"type": name, "publisher": publisher, "data_type": "application/json", "data": row,
                      "id": uuid::Uuid::now_v7(), "resource": "customer"});
    let event = std::sync::Arc::new(serde_json::from_value(gone).unwrap());
    platform.node.deps.bus.publish(event).await.unwrap();
    let since = Instant::now();
    while !stored(&platform, false).await.is_empty() {
        assert!(since.elapsed() < PATIENCE, "the key is still there");
        sleep(LOOK).await;
    }
    platform.stop().await;
}
