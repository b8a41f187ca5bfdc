//! sipp as a carrier: it delivers calls to a number, takes calls of the API, and refuses them.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::sipp::{Scenario, Sipp};
use super::{CALLED, OWN, all_over, call, installed};
use crate::platform::{HERE, Platform, free_port};

/// Dollars, and micro-dollars for a minute to or from a telephone where no rate says otherwise.
const CREDIT: i64 = 10;
const MINUTE: i64 = 10_000;

/// Takes the call, and longer than a second: what is shorter costs nothing.
fn talk() -> Value {
    let pause = json!({"duration": 1_000});
    json!([{"type": "answer"}, {"type": "beep"}, {"type": "sleep", "option": pause}, {"type": "hangup"}])
}

/// The customer may call the telephone network, from a number of its own that has this flow.
pub(super) async fn number_with_flow(platform: &Platform, actions: Value) {
    let operator = platform.operator().await;
    let customer = platform.welcome.customer_id;
    let verified = json!({"identity_verification_status": "verified"});
    let path = format!("customers/{customer}/identity_verification_status");
    operate(platform, &operator, ("PUT", &path), verified).await;
    let account = platform.get("billing_account").await.1;
    let path = format!("billing_accounts/{}/balance_add_force", text(&account, "id"));
    operate(platform, &operator, ("POST", &path), json!({"balance": CREDIT})).await;
    let number = json!({"for_customer_id": customer, "number": OWN, "type": "normal", "name": "main"});
    let number = operate(platform, &operator, ("POST", "numbers/enter"), number).await;
    let flow = platform.made("flows", json!({"name": "answers", "actions": actions})).await;
    let path = format!("numbers/{}", text(&number, "id"));
    let (status, bound) = platform.put(&path, json!({"call_flow_id": flow})).await;
    assert_eq!((status, &bound["call_flow_id"]), (200, &json!(flow)), "{bound}");
    let (status, config) = platform.put("outbound_config", json!({"destination_whitelist": ["us"]})).await;
    assert_eq!(status, 200, "{config}");
}

async fn operate(platform: &Platform, operator: &str, (method, path): (&str, &str), body: Value) -> Value {
    let (status, answer) = platform.send_as(operator, method, &format!("v1.0/{path}"), body).await;
    assert!(status < 300, "{method} {path}: {status} {answer}");
    answer
}

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row}"))
}

/// A carrier at this address, tried in the order of its priority.
async fn carrier(platform: &Platform, at: SocketAddr, priority: u8) {
    let operator = platform.operator().await;
    let body = json!({"name": "sipp", "type": "sip", "hostname": at.to_string(), "addresses": ["127.0.0.1"]});
    let provider = operate(platform, &operator, ("POST", "providers"), body).await;
    let route = json!({
        "customer_id": platform.welcome.customer_id, "provider_id": text(&provider, "id"), "priority": priority, "target": "+1",
        "name": "everything under +1",
    });
    operate(platform, &operator, ("POST", "routes"), route).await;
}

/// The amounts of the ledger are the balance, and `count` calls cost a minute each.
async fn ledger_adds_up(platform: &Platform, count: usize) {
    let charged = |page: &Value| {
        let entries = page["result"].as_array().expect("a list");
        let calls =
            entries.iter().filter(|entry| entry["reference_type"] == "call" && entry["status"] == "end");
        calls.filter(|entry| entry["amount_credit"] == -MINUTE).count() == count
    };
    let page = platform.becomes("billings?page_size=100", charged).await;
    let entries = page["result"].as_array().expect("a list");
    let sum: i64 = entries.iter().filter_map(|entry| entry["amount_credit"].as_i64()).sum();
    let account = platform.get("billing_account").await.1;
    assert_eq!(account["balance_credit"], sum, "{entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_calls_of_a_carrier_are_answered_and_paid_for() {
    const CALLS: usize = 20;
    if !installed(&["sipp"]) {
        return;
    }
    let platform = Platform::start().await;
    number_with_flow(&platform, talk()).await;
    carrier(&platform, SocketAddr::new(HERE, free_port()), 1).await;
    let (number, calls) = (OWN.trim_start_matches('+'), CALLS.to_string());
    Sipp::turn(&platform, &Scenario::File("number"), &["-s", number, "-r", "10", "-m", &calls])
        .succeeds()
        .await;
    for call in all_over(&platform, CALLS).await {
        assert_eq!((&call["direction"], &call["hangup_by"]), (&json!("incoming"), &json!("local")), "{call}");
        assert_eq!(
            (&call["source"]["target"], &call["destination"]["target"]),
            (&json!("+15550199"), &json!(OWN))
        );
        assert!(call["tm_progressing"].is_string() && call["hangup_reason"] == "normal", "{call}");
    }
    ledger_adds_up(&platform, CALLS).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_reaches_no_number_that_is_not_there() {
    if !installed(&["sipp"]) {
        return;
    }
    let platform = Platform::start().await;
    number_with_flow(&platform, json!([{"type": "answer"}, {"type": "hangup"}])).await;
    Sipp::turn(&platform, &Scenario::File("number"), &["-s", "15550177", "-m", "1"]).fails().await;
    assert_eq!(platform.get("calls").await.1["result"], json!([]));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_calls_through_a_carrier_that_answers() {
    if !installed(&["sipp"]) {
        return;
    }
    let platform = Platform::start().await;
    number_with_flow(&platform, json!([])).await;
    let sipp = Sipp::listen(&platform, (&Scenario::Own("uas"), free_port()), &["-m", "1"]).await;
    carrier(&platform, sipp.at, 1).await;
    let (status, placed) = call(&platform, ("tel", CALLED), talk()).await;
    assert_eq!(status, 200, "{placed}");
    sipp.succeeds().await;
    let calls = all_over(&platform, 1).await;
    assert_eq!((&calls[0]["direction"], &calls[0]["hangup_by"]), (&json!("outgoing"), &json!("local")));
    ledger_adds_up(&platform, 1).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_number_is_busy_at_every_carrier() {
    if !installed(&["sipp"]) {
        return;
    }
    let platform = Platform::start().await;
    number_with_flow(&platform, json!([])).await;
    let busy = Sipp::listen(&platform, (&Scenario::File("busy"), free_port()), &["-m", "1"]).await;
    let other = Sipp::listen(&platform, (&Scenario::Own("uas"), free_port()), &[]).await;
    carrier(&platform, busy.at, 1).await;
    carrier(&platform, other.at, 2).await;
    assert_eq!(call(&platform, ("tel", CALLED), json!([{"type": "hangup"}])).await.0, 200);
    busy.succeeds().await;
    let calls = all_over(&platform, 1).await;
    assert_eq!((&calls[0]["hangup_reason"], &calls[0]["hangup_by"]), (&json!("busy"), &json!("remote")));
    assert!(calls[0]["tm_progressing"].is_null(), "{}", calls[0]);
    ledger_adds_up(&platform, 0).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_has_no_line_leaves_the_call_to_the_next() {
    if !installed(&["sipp"]) {
        return;
    }
    let platform = Platform::start().await;
    number_with_flow(&platform, json!([])).await;
    let full = Sipp::listen(&platform, (&Scenario::File("unavailable"), free_port()), &["-m", "1"]).await;
    let next = Sipp::listen(&platform, (&Scenario::Own("uas"), free_port()), &["-m", "1"]).await;
    carrier(&platform, full.at, 1).await;
    carrier(&platform, next.at, 2).await;
    assert_eq!(call(&platform, ("tel", CALLED), talk()).await.0, 200);
    full.succeeds().await;
    next.succeeds().await;
    let calls = all_over(&platform, 1).await;
    assert_eq!((&calls[0]["hangup_reason"], &calls[0]["hangup_by"]), (&json!("normal"), &json!("local")));
    assert!(calls[0]["tm_progressing"].is_string(), "{}", calls[0]);
    ledger_adds_up(&platform, 1).await;
    platform.stop().await;
}
