//! What calls cost, who may place them, and through whom, on a whole node with a phone as the carrier's switch.

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use protocol::ports::voice::{CAUSE_BUSY, CAUSE_NORMAL, LegId};
use protocol::{Context, Op, Result, Scope};
use serde_json::{Value, json};
use voice::{Phone, PhoneEvent};

use crate::calls::{ended, rings};
use crate::market::{CALLED, Market, OWN, RATE, switch, to};
use crate::platform::{Answer, Platform};

/// Q.850: no circuit available.
const CAUSE_NO_CIRCUIT: u16 = 34;
/// Longer than any call here, in milliseconds: everything is left to the other side.
const WAIT: u32 = 600_000;

async fn market(platform: &Platform) -> Market {
    Market::open(platform.api().with_key(&platform.operator().await), platform.api().clone()).await
}

fn wait() -> Value {
    json!([{"type": "sleep", "option": {"duration": WAIT}}])
}

fn reason((status, answer): &Answer) -> (u16, &str) {
    (*status, answer["error"]["reason"].as_str().unwrap_or_default())
}

/// The id of the one call that a placement made.
fn call_id(placed: &Value) -> String {
    placed["calls"][0]["id"].as_str().unwrap_or_else(|| panic!("no call in {placed}")).to_owned()
}

/// The ledger's entry of a call, once it is closed.
async fn charged(market: &Market, call: &str) -> Value {
    let path = format!("billings?reference_id={call}");
    let page = market.api.becomes(&path, |page| page["result"][0]["status"] == "end").await;
    page["result"][0].clone()
}

/// A call to `number` that is answered and hung up; what it cost.
async fn cost(market: &Market, switch: &Phone, number: &str) -> i64 {
    let call = call_id(&market.api.row("calls", to(number, wait())).await);
    let leg = rings(switch).await;
    switch.answer(leg).await.unwrap();
    let entry = end(market, switch, &call, leg).await;
    -entry["amount_credit"].as_i64().unwrap()
}

/// The called side hangs up a call that it answered; the ledger's entry of it.
async fn end(market: &Market, switch: &Phone, call: &str, leg: LegId) -> Value {
    market.api.becomes(&format!("calls/{call}"), |row| row["status"] == "progressing").await;
    switch.hangup(leg, CAUSE_NORMAL).await.unwrap();
    charged(market, call).await
}

/// Does anything else wait to be noticed at the phone?
fn was_left_alone(phone: &Phone) -> bool {
    std::iter::from_fn(|| phone.event().now_or_never().flatten())
        .all(|event| !matches!(event, PhoneEvent::Rings { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_for_one_minute_is_one_call_however_many_are_asked_for() {
    let platform = Platform::start().await;
    let (market, switch) = (market(&platform).await, switch().await);
    market.carrier(switch.local().udp, 1).await;
    market.pay(RATE as f64 / 1e6).await;
    let answers = join_all((0..200).map(|_| market.api.post("calls", to(CALLED, wait())))).await;
    let (placed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|(status, _)| *status == 200);
    assert_eq!((placed.len(), refused.len()), (1, 199));
    for answer in refused {
        assert_eq!(reason(answer), (402, "INSUFFICIENT_BALANCE"));
    }
    let leg = rings(&switch).await;
    let call = call_id(&placed[0].1);
    assert_eq!(market.api.list("calls").await.len(), 1);
    market.api.row(&format!("calls/{call}/hangup"), Value::Null).await;
    ended(&switch, leg).await;
    assert!(was_left_alone(&switch));
    let unanswered = charged(&market, &call).await;
    assert_eq!((&unanswered["amount_credit"], &unanswered["billable_units"]), (&json!(0), &json!(0)));
    assert_eq!(market.balance().await, RATE);
    // what was set aside for it is free again
    assert_eq!(cost(&market, &switch, CALLED).await, RATE);
    assert_eq!((market.balance().await, market.ledger().await), (0, 0));
    platform.stop().await;
}

/// A question to the accounts of the customer.
async fn ask(platform: &Platform, verb: &str, body: Value) -> Result<Value> {
    let deps = &platform.node.deps;
    let entry = deps.catalog().unwrap().named("billing_account").unwrap();
    let verb = entry.asks.iter().find(|asked| asked.name == verb).unwrap();
    let by = Context::own(Scope::Customer(platform.welcome.customer_id));
    deps.op(entry.resource, Op::Ask(verb), body, &by).await
}

/// As the call asks shortly before each minute ends.
async fn extend(platform: &Platform, call: &str, minutes: u32) -> Result<Value> {
    ask(platform, "extend_call", json!({"call_id": call, "minutes": minutes})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_is_set_aside_once_for_a_call_however_often_it_asks_and_whatever_is_left() {
    let platform = Platform::start().await;
    let market = market(&platform).await;
    market.pay(2.0 * RATE as f64 / 1e6).await;
    let reserve = async |call: u128| {
        let side = |number: &str| json!({"type": "tel", "target": number});
        let call = uuid::Uuid::from_u128(call);
        let (source, destination) = (side(OWN), side(CALLED));
        let body =
            json!({"call_id": call, "direction": "outgoing", "source": source, "destination": destination});
        ask(&platform, "reserve_call", body).await.map_err(|error| error.reason)
    };
    for call in [1, 1, 2, 1, 2] {
        reserve(call).await.unwrap();
    }
    assert_eq!(reserve(3).await.unwrap_err(), "INSUFFICIENT_BALANCE");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_that_cannot_be_paid_is_not_granted_and_unused_minutes_cost_nothing() {
    let platform = Platform::start().await;
    let (market, switch) = (market(&platform).await, switch().await);
    market.carrier(switch.local().udp, 1).await;
    market.pay(2.0 * RATE as f64 / 1e6).await;
    let call = call_id(&market.api.row("calls", to(CALLED, wait())).await);
    let leg = rings(&switch).await;
    switch.answer(leg).await.unwrap();
    for _ in 0..3 {
        extend(&platform, &call, 1).await.unwrap();
    }
    let refused = extend(&platform, &call, 2).await.unwrap_err();
    assert_eq!(refused.reason, "INSUFFICIENT_BALANCE");
    // both minutes are this call's until it ends
    assert_eq!(reason(&market.api.post("calls", to(CALLED, wait())).await), (402, "INSUFFICIENT_BALANCE"));
    let entry = end(&market, &switch, &call, leg).await;
    assert_eq!((&entry["billable_units"], &entry["amount_credit"]), (&json!(1), &json!(-RATE)));
    assert_eq!((market.balance().await, market.ledger().await), (RATE, RATE));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_prefix_sets_the_price() {
    let platform = Platform::start().await;
    let (market, switch) = (market(&platform).await, switch().await);
    market.carrier(switch.local().udp, 1).await;
    market.pay(10.0).await;
    let dear = json!({"prefix": "155501", "cost_type": "call_pstn_outgoing", "credit_per_unit": 44_000});
    let dear = market.operator.made("rates", dear).await;
    let other = json!({"prefix": "15550", "cost_type": "call_pstn_incoming", "credit_per_unit": 1});
    market.operator.made("rates", other).await;
    assert_eq!(cost(&market, &switch, CALLED).await, 44_000);
    assert_eq!(cost(&market, &switch, "+15551234567").await, RATE);
    // no rate at all
    assert_eq!(cost(&market, &switch, "+12025550123").await, 10_000);
    assert!(market.operator.delete(&format!("rates/{dear}")).await.0 < 300);
    assert_eq!(cost(&market, &switch, CALLED).await, RATE);
    let spent = 44_000 + RATE + 10_000 + RATE;
    assert_eq!((market.balance().await, market.ledger().await), (10_000_000 - spent, 10_000_000 - spent));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_not_be_placed_reaches_no_carrier() {
    let platform = Platform::start().await;
    let (market, switch) = (market(&platform).await, switch().await);
    market.carrier(switch.local().udp, 1).await;
    market.pay(1.0).await;
    let foreign = market.api.post("calls", to("+442079460123", wait())).await;
    assert_eq!(reason(&foreign), (403, "DESTINATION_NOT_ALLOWED"));
    // Jamaica, within the code of the United States
    let near = market.api.post("calls", to("+18765550123", wait())).await;
    assert_eq!(reason(&near), (403, "DESTINATION_NOT_ALLOWED"));
    let mut stolen = to(CALLED, wait());
    stolen["source"]["target"] = json!("+15550199");
    assert_eq!(reason(&market.api.post("calls", stolen).await), (400, "SOURCE_NOT_OWNED"));
    market.verify("pending").await;
    let unknown = market.api.post("calls", to(CALLED, wait())).await;
    assert_eq!(reason(&unknown), (403, "IDENTITY_VERIFICATION_REQUIRED"));
    assert_eq!(market.api.list("calls").await, Vec::<Value>::new());
    market.verify("verified").await;
    assert_eq!(cost(&market, &switch, CALLED).await, RATE);
    assert!(was_left_alone(&switch));
    platform.stop().await;
}

/// Refuses the call that comes in.
async fn refuse(phone: &Phone, cause: u16) {
    let leg: LegId = rings(phone).await;
    phone.hangup(leg, cause).await.unwrap();
    ended(phone, leg).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_fails_is_followed_by_the_next_and_comes_last_when_it_keeps_failing() {
    let platform = Platform::start().await;
    let (market, first, second) = (market(&platform).await, switch().await, switch().await);
    let other = market.carrier(second.local().udp, 2).await;
    let failing = market.carrier(first.local().udp, 1).await;
    market.pay(1.0).await;
    for _ in 0..5 {
        let call = call_id(&market.api.row("calls", to(CALLED, wait())).await);
        refuse(&first, CAUSE_NO_CIRCUIT).await;
        refuse(&second, CAUSE_BUSY).await;
        let row = market.api.becomes(&format!("calls/{call}"), |row| row["status"] == "hangup").await;
        assert_eq!(row["hangup_reason"], "busy");
    }
    let health = |wanted: &'static str| move |row: &Value| row["health_status"] == wanted;
    market.operator.becomes(&format!("providers/{failing}"), health("unhealthy")).await;
    market.operator.becomes(&format!("providers/{other}"), health("healthy")).await;
    assert_eq!(cost(&market, &second, CALLED).await, RATE);
    assert!(was_left_alone(&first));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_called_party_refused_is_not_tried_elsewhere() {
    let platform = Platform::start().await;
    let (market, first, second) = (market(&platform).await, switch().await, switch().await);
    market.carrier(first.local().udp, 1).await;
    market.carrier(second.local().udp, 2).await;
    market.pay(1.0).await;
    let call = call_id(&market.api.row("calls", to(CALLED, wait())).await);
    refuse(&first, CAUSE_BUSY).await;
    market.api.becomes(&format!("calls/{call}"), |row| row["status"] == "hangup").await;
    assert!(was_left_alone(&second));
    let row = market.api.get(&format!("calls/{call}")).await.1;
    assert_eq!((&row["hangup_reason"], &row["source"]["target"]), (&json!("busy"), &json!(OWN)));
    platform.stop().await;
}
