//! Calls that outlive their node: two nodes over a real database and a real broker, one of them killed.

use protocol::ports::voice::{CAUSE_NORMAL, LegEvent, LegId};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};
use voice::{Phone, PhoneEvent};

use super::program::Program;
use super::{TONES, Talk, all_are, digit, over};
use crate::api::{LOOK, PATIENCE};
use crate::bus::broker;
use crate::calls::{ended, rings, until};
use crate::mariadb::MariaDb;
use crate::market::{CALLED, Market, RATE, switch, to};
use crate::server::{Server, TAKES};

/// Two nodes that serve everything, and the database that they share.
struct Pair {
    first: Program,
    second: Program,
    store: String,
    bus: String,
    _database: MariaDb,
}

impl Pair {
    async fn start(more: &[(&str, &str)]) -> Option<Pair> {
        let database = MariaDb::start().await?;
        let broker = broker::shared().await?;
        let (store, bus) = (database.database().await, broker.place());
        let flags = [("store", &*store), ("bus", &*bus)];
        let first = Program::with(&[&flags, more].concat()).await;
        let second = first.beside("second", &flags).await;
        Some(Pair { first, second, store, bus, _database: database })
    }

    async fn stop(self) {
        self.second.stop().await;
        self.first.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_hear_each_other_through_another_node_when_theirs_was_killed() {
    let Some(mut pair) = Pair::start(&[]).await else { return };
    let talk = Talk::begin(&pair.first).await;
    talk.answer().await;
    talk.speak(TONES[0]).await;
    talk.is_heard(TONES[0]).await;
    pair.first.kill().await;
    talk.speak(TONES[1]).await;
    talk.is_heard(TONES[1]).await;
    pair.second.api.becomes("calls", |page| all_are(page, 2, "progressing")).await;
    // the one that comes back finds nothing that is its own
    pair.first.again().await;
    assert!(pair.first.live_calls().await.contains("progressing"), "it knows of the calls");
    talk.speak(TONES[2]).await;
    talk.is_heard(TONES[2]).await;
    talk.bob.hangup(talk.far, CAUSE_NORMAL).await.unwrap();
    ended(&talk.alice, talk.near).await;
    over(&pair.second, 2).await;
    pair.stop().await;
}

/// The answer to a request about the call, from a node on which it was not; asked again while its node is gone.
async fn is_reached(through: &Program, call: &str) {
    let limit = Instant::now() + PATIENCE;
    loop {
        let (status, said) = through.api.delete(call).await;
        match status {
            200 => return,
            // it is nowhere, for a moment, and that is no reason to say that there is no such call
            503 => assert!(Instant::now() < limit, "{said}"),
            _ => panic!("{status} {said}"),
        }
        sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_asked_a_call_on_its_node_reaches_it_on_the_next() {
    let Some(mut pair) = Pair::start(&[]).await else { return };
    let flags = [("store", &*pair.store), ("bus", &*pair.bus)];
    let third = pair.first.beside("third", &flags).await;
    let market = Market::open(pair.first.operator.clone(), pair.first.api.clone()).await;
    let carrier = switch().await;
    market.carrier(carrier.local().udp, 1).await;
    market.pay(1.0).await;
    let wait = json!([{"type": "sleep", "option": {"duration": 600_000}}]);
    let made = pair.first.api.row("calls", to(CALLED, wait)).await;
    let call = format!("calls/{}/mute", made["calls"][0]["id"].as_str().unwrap());
    let leg = rings(&carrier).await;
    carrier.answer(leg).await.unwrap();
    pair.second.api.becomes("calls", |page| all_are(page, 1, "progressing")).await;
    for _ in 0..2 {
        is_reached(&pair.second, &call).await;
        is_reached(&third, &call).await;
    }
    pair.first.kill().await;
    is_reached(&pair.second, &call).await;
    is_reached(&third, &call).await;
    carrier.hangup(leg, CAUSE_NORMAL).await.unwrap();
    over(&third, 1).await;
    third.stop().await;
    pair.stop().await;
}

/// How many actors an operator sees under this name, anywhere below.
fn actors(tree: &Value, of: &str) -> usize {
    let children = tree["children"].as_array().unwrap();
    match tree["name"] == of {
        true => children.len(),
        false => children.iter().map(|child| actors(child, of)).sum(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_from_a_call_is_done_on_the_node_of_the_call() {
    let Some(pair) = Pair::start(&[]).await else { return };
    let market = Market::open(pair.first.operator.clone(), pair.first.api.clone()).await;
    let carrier = switch().await;
    market.carrier(carrier.local().udp, 1).await;
    market.pay(1.0).await;
    let wait = json!([{"type": "sleep", "option": {"duration": 600_000}}]);
    for through in [&pair.first, &pair.second] {
        for _ in 0..2 {
            through.api.row("calls", to(CALLED, wait.clone())).await;
            carrier.answer(rings(&carrier).await).await.unwrap();
        }
    }
    pair.first.api.becomes("calls", |page| all_are(page, 4, "progressing")).await;
    for node in ["survivor", "second"] {
        let said = pair.first.says(&["tree", "--only", node, "--json"]).await;
        let nodes: Value = serde_json::from_str(&said).unwrap();
        let live = ["calls", "activeflows"].map(|of| actors(&nodes[0]["tree"], of));
        assert_eq!(live, [2, 2], "{node}");
    }
    pair.stop().await;
}

/// The number that was made is told to this receiver.
async fn hears_of(receiver: &Server, number: &str) {
    let begun = Instant::now();
    while !has_heard_of(receiver, number) {
        assert!(begun.elapsed() < PATIENCE, "it is never told");
        sleep(LOOK).await;
    }
}

fn has_heard_of(receiver: &Server, number: &str) -> bool {
    receiver.asked(TAKES).iter().any(|asked| asked.event()["data"]["id"] == number)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_node_go_where_their_customer_has_just_sent_them_at_the_other() {
    let Some(pair) = Pair::start(&[]).await else { return };
    let (before, after) = (Server::start().await, Server::start().await);
    let send_to = async |receiver: &Server| {
        let target = json!({"webhook_method": "POST", "webhook_uri": receiver.url(TAKES)});
        assert_eq!(pair.first.api.put("customer", target).await.0, 200);
    };
    let number = async |digits: String| {
        pair.second.api.made("numbers", json!({"number": digits, "type": "virtual"})).await
    };
    for n in 0..2 {
        send_to(&before).await;
        let first = number(format!("+89910000001{n}")).await;
        // the second node has read a moment ago where they go
        hears_of(&before, &first).await;
        send_to(&after).await;
        let second = number(format!("+89910000002{n}")).await;
        hears_of(&after, &second).await;
        assert!(!has_heard_of(&before, &second) && !has_heard_of(&after, &first));
    }
    pair.stop().await;
}

async fn presses(phone: &Phone, leg: LegId, digit: &str) {
    loop {
        // one that has been hung up presses nothing any more
        let _ = phone.press(leg, digit).await;
        sleep(Duration::from_millis(500)).await;
    }
}

async fn hears_digits(phone: &Phone, digits: [char; 2]) {
    for digit in digits {
        let heard = |event: &PhoneEvent| match event {
            PhoneEvent::Call { event: LegEvent::Digit { digit: got, .. }, .. } => {
                (*got == digit).then_some(())
            }
            PhoneEvent::Call { .. } | PhoneEvent::Rings { .. } => None,
        };
        until(phone, "a digit", heard).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_goes_on_at_the_same_action_on_another_node_and_the_call_is_charged_once() {
    let Some(mut pair) = Pair::start(&[]).await else { return };
    let market = Market::open(pair.first.operator.clone(), pair.first.api.clone()).await;
    let carrier = switch().await;
    market.carrier(carrier.local().udp, 1).await;
    market.pay(1.0).await;
    let id = |n: u8| format!("00000000-0000-4000-8000-0000000000{n:02}");
    let actions = json!([
        {"id": id(1), "type": "variable_set", "option": {"key": "code", "value": "42"}},
        {"id": id(2), "type": "digits_receive", "option": {"duration": 60_000, "length": 1}},
        {"id": id(3), "type": "branch", "option": {"default_target_id": id(5), "target_ids": {"7": id(4)}}},
        {"id": id(4), "type": "digits_send", "option": {"digits": "42"}},
        {"id": id(5), "type": "hangup", "option": {}},
    ]);
    let made = pair.first.api.row("calls", to(CALLED, actions)).await;
    let call = format!("calls/{}/mute", made["calls"][0]["id"].as_str().unwrap());
    let leg = rings(&carrier).await;
    carrier.answer(leg).await.unwrap();
    let waits = |page: &Value| page["result"][0]["current_action"]["type"] == "digits_receive";
    pair.second.api.becomes("activeflows", waits).await;
    pair.first.kill().await;
    pair.second.api.answers("DELETE", &call, 200).await;
    // pressed again until it is heard: the carrier may not have been told of the new address yet
    tokio::select! {
        () = presses(&carrier, leg, "7") => unreachable!(),
        () = hears_digits(&carrier, ['4', '2']) => {}
    }
    ended(&carrier, leg).await;
    let entries = over(&pair.second, 1).await;
    assert_eq!((&entries[0]["billable_units"], &entries[0]["amount_credit"]), (&json!(1), &json!(-RATE)));
    let market = Market { operator: pair.second.operator.clone(), api: pair.second.api.clone(), ..market };
    assert_eq!(market.balance().await, 1_000_000 - RATE);
    assert_eq!(market.ledger().await, market.balance().await);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_commanded_through_any_node_and_handed_over_when_its_own_stops() {
    let Some(mut pair) = Pair::start(&[("stop-seconds", "0")]).await else { return };
    let talk = Talk::begin(&pair.first).await;
    talk.answer().await;
    let page = pair.second.api.becomes("calls", |page| all_are(page, 2, "progressing")).await;
    let call = page["result"][0]["id"].as_str().unwrap();
    let at = |verb: &str| format!("calls/{call}/{verb}");
    assert_eq!(pair.second.api.post(&at("mute"), json!({})).await.0, 200);
    let (_, row) = pair.first.api.get(&format!("calls/{call}")).await;
    assert_eq!(row["mute_direction"], "both");
    pair.first.terminate().await;
    pair.second.api.answers("DELETE", &at("mute"), 200).await;
    talk.speak(TONES[0]).await;
    talk.is_heard(TONES[0]).await;
    let (status, _) = pair.second.api.post(&at("hangup"), Value::Null).await;
    assert_eq!(status, 200);
    ended(&talk.alice, talk.near).await;
    ended(&talk.bob, talk.far).await;
    over(&pair.second, 2).await;
    pair.stop().await;
}

/// Every domain but that of flows.
const NO_FLOWS: &str = "gateway,agent,billing,call,customer,direct,idempotency,number,registrar,route,sentinel,tag,\
     timeline,tts,webhook";

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_action_waits_for_a_flow_whose_node_is_away_and_is_heard_once() {
    let (Some(database), Some(broker)) = (MariaDb::start().await, broker::shared().await) else { return };
    let (store, bus) = (database.database().await, broker.place());
    let node = |serve| [("store", &*store), ("bus", &*bus), ("serve", serve)];
    let calls = Program::with(&node(NO_FLOWS)).await;
    let mut flows = calls.beside("flows", &node("gateway,flow")).await;
    let market = Market::open(calls.operator.clone(), calls.api.clone()).await;
    let carrier = switch().await;
    market.carrier(carrier.local().udp, 1).await;
    market.pay(1.0).await;
    let send = |digits| json!({"type": "digits_send", "option": {"digits": digits, "duration": 200, "interval": 200}});
    let actions = json!([send("12345"), send("67"), {"type": "hangup"}]);
    calls.api.row("calls", to(CALLED, actions)).await;
    let leg = rings(&carrier).await;
    carrier.answer(leg).await.unwrap();
    let mut heard = vec![digit(&carrier).await];
    flows.kill().await;
    while heard.len() < 5 {
        heard.push(digit(&carrier).await);
    }
    flows.again().await;
    while heard.len() < 7 {
        heard.push(digit(&carrier).await);
    }
    assert_eq!(heard, ['1', '2', '3', '4', '5', '6', '7']);
    ended(&carrier, leg).await;
    over(&calls, 1).await;
    flows.stop().await;
    calls.stop().await;
}
