//! What happened, as its customer may read it afterwards and hear it at once.

use std::collections::HashSet;

use protocol::ports::voice::CAUSE_NORMAL;
use serde_json::{Value, json};

use crate::api::Api;
use crate::calls::rings;
use crate::market::{CALLED, Market, switch, to};
use crate::platform::Platform;
use crate::socket::Socket;

const PASSWORD: &str = "a-long-secret";

fn types(page: &Value) -> Vec<String> {
    let events = page["result"].as_array().into_iter().flatten();
    events.filter_map(|event| event["event_type"].as_str().map(str::to_owned)).collect()
}

/// A call that was answered and is over; the path of its timeline and its row.
async fn a_call(platform: &Platform) -> (String, Value) {
    let operator = platform.api().with_key(&platform.operator().await);
    let market = Market::open(operator, platform.api().clone()).await;
    let switch = switch().await;
    market.carrier(switch.local().udp, 1).await;
    market.pay(1.0).await;
    let wait = json!([{"type": "sleep", "option": {"duration": 600_000}}]);
    let placed = platform.api().row("calls", to(CALLED, wait)).await;
    let id = placed["calls"][0]["id"].as_str().unwrap().to_owned();
    let leg = rings(&switch).await;
    switch.ring(leg).await.unwrap();
    platform.becomes(&format!("calls/{id}"), |row| row["status"] == "ringing").await;
    switch.answer(leg).await.unwrap();
    platform.becomes(&format!("calls/{id}"), |row| row["status"] == "progressing").await;
    switch.hangup(leg, CAUSE_NORMAL).await.unwrap();
    let row = platform.becomes(&format!("calls/{id}"), |row| row["status"] == "hangup").await;
    switch.stop().await;
    (format!("timelines/calls/{id}/events"), row)
}

/// All events of a timeline, page by page.
async fn paged(api: &Api, path: &str, size: usize) -> Vec<Value> {
    let (mut events, mut token) = (Vec::new(), String::new());
    loop {
        let (status, page) = api.get(&format!("{path}?page_size={size}&page_token={token}")).await;
        assert_eq!(status, 200, "{page}");
        let rows = page["result"].as_array().unwrap();
        assert!(rows.len() <= size);
        events.extend(rows.iter().cloned());
        match page["next_page_token"].as_str() {
            Some(next) => token = next.to_owned(),
            None => return events,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_a_call_is_complete_in_order_and_outlives_the_call() {
    let platform = Platform::start().await;
    let (path, call) = a_call(&platform).await;
    let whole = platform.becomes(&path, |page| types(page).contains(&"call_hangup".into())).await;
    let mut told = types(&whole);
    told.reverse();
    told.retain(|kind| kind != "call_updated" && kind != "call_action_finished");
    assert_eq!(told, ["call_created", "call_ringing", "call_progressing", "call_hangup"]);
    assert_eq!(whole["result"][0]["data"]["id"], call["id"]);
    assert_eq!(json!(paged(platform.api(), &path, 2).await), whole["result"]);
    let id = call["id"].as_str().unwrap();
    assert_eq!(platform.delete(&format!("calls/{id}")).await.0, 200);
    assert_eq!(platform.get(&format!("calls/{id}")).await.0, 404);
    platform.becomes(&path, |page| types(page).contains(&"call_deleted".into())).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_a_run_holds_everything_that_belongs_to_it() {
    let platform = Platform::start().await;
    let (_, call) = a_call(&platform).await;
    let [run, id] = ["activeflow_id", "id"].map(|name| call[name].as_str().unwrap().to_owned());
    let by_run = format!("aggregated-events?activeflow_id={run}");
    let complete = |page: &Value| {
        let told = types(page);
        ["call_hangup", "activeflow_created"].iter().all(|kind| told.iter().any(|told| told == kind))
            && page["result"].as_array().unwrap().iter().any(|event| event["data"]["status"] == "ended")
    };
    let page = platform.becomes(&by_run, complete).await;
    let by_call = platform.get(&format!("aggregated-events?call_id={id}")).await.1;
    assert_eq!(by_call["result"], page["result"]);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_the_story_of_another_customer() {
    let platform = Platform::start().await;
    let (path, call) = a_call(&platform).await;
    platform.becomes(&path, |page| !types(page).is_empty()).await;
    let (_, key) = platform.another_customer("stranger@example.com").await;
    let stranger = platform.api().with_key(&key);
    let nothing = stranger.get("timelines/calls/0190f3a0-0000-7000-8000-000000000001/events").await;
    assert_eq!(nothing.0, 404);
    assert_eq!(stranger.get(&path).await, nothing);
    for by in [
        format!("activeflow_id={}", call["activeflow_id"].as_str().unwrap()),
        format!("call_id={}", call["id"].as_str().unwrap()),
    ] {
        assert_eq!(stranger.get(&format!("aggregated-events?{by}")).await.0, 404);
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_holds_no_secret_and_nothing_internal() {
    let platform = Platform::start().await;
    let body = json!({"extension": "100", "password": PASSWORD, "name": "", "detail": ""});
    let extension = platform.made("extensions", body).await;
    let agent = json!({"username": "ann@example.com", "password": PASSWORD, "permission": 16});
    let agent = platform.made("agents", agent).await;
    let key = platform.api().row("accesskeys", json!({"name": "second", "expire": 86_400})).await;
    let (path, _) = a_call(&platform).await;
    let key_id = key["id"].as_str().unwrap();
    for path in [
        format!("timelines/extensions/{extension}/events"),
        format!("timelines/agents/{agent}/events"),
        format!("timelines/accesskeys/{key_id}/events"),
        path,
    ] {
        let page = platform.becomes(&path, |page| !types(page).is_empty()).await;
        let fields: HashSet<_> = page["result"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|event| event["data"].as_object().unwrap().keys())
            .collect();
        let text = page.to_string();
        for secret in [PASSWORD, "$2b$", key["token"].as_str().unwrap()] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
        for internal in ["rev", "node", "token_hash", "chosen_status", "actions", "ha1"] {
            assert!(!fields.contains(&internal.to_owned()), "{path}: {internal}");
        }
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_hears_its_customers_events_once_and_nobody_elses() {
    let platform = Platform::start().await;
    let (other, key) = platform.another_customer("other@example.com").await;
    let stranger = platform.api().with_key(&key);
    let own = platform.welcome.customer_id.to_string();
    let mut ours = Socket::open(platform.http, &platform.welcome.accesskey).await;
    let mut theirs = Socket::open(platform.http, &key).await;
    ours.subscribe(&format!("customer_id:{own}")).await;
    // the same twice, and a part of it, are still heard once
    ours.subscribe(&format!("customer_id:{own}")).await;
    ours.subscribe(&format!("customer_id:{own}:number")).await;
    theirs.subscribe(&format!("customer_id:{other}")).await;
    let number = |digits: String| json!({"number": digits, "type": "virtual"});
    let mut expected = Vec::new();
    for n in 1..=3 {
        expected.push(platform.made("numbers", number(format!("+89920000000{n}"))).await);
        platform.made("tags", json!({"name": "not told"})).await;
        if n == 2 {
            let theirs_id = stranger.made("numbers", number("+899200000009".into())).await;
            assert_eq!(theirs.next().await["id"], json!(theirs_id));
        }
    }
    for id in expected {
        let row = ours.next().await;
        assert_eq!((&row["id"], &row["customer_id"]), (&json!(id), &json!(own)));
    }
    platform.stop().await;
}
