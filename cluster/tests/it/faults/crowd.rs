//! One of two nodes is killed with many calls up: the other goes on with them, and each is charged once.

use std::collections::{BTreeSet, HashMap};

use protocol::ports::voice::{LegEvent, LegId};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};
use voice::{Phone, PhoneEvent};

use crate::api::Api;
use crate::bus::broker;
use crate::calls::rings;
use crate::mariadb::MariaDb;
use crate::market::{CALLED, Market, RATE, to};
use crate::platform::free_blocks;
use crate::survival::program::Program;

/// Half as many as a node of the tests has ports for: others on the machine may have some of them.
const CALLS: usize = 100;
/// One in so many may be lost.
const LOST: usize = 100;
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a key, says another, ends.
fn actions() -> Value {
    let id = |n: u8| format!("00000000-0000-4000-8000-0000000000{n:02}");
    json!([
        {"id": id(1), "type": "digits_receive", "option": {"duration": 180_000, "length": 1}},
        {"id": id(2), "type": "branch", "option": {"default_target_id": id(4), "target_ids": {"7": id(3)}}},
        {"id": id(3), "type": "digits_send", "option": {"digits": "42"}},
        {"id": id(4), "type": "hangup", "option": {}},
    ])
}

/// A carrier's switch with room for so many times a hundred calls.
pub(super) async fn carrier(hundreds: u16) -> Phone {
    let first = free_blocks(hundreds);
    let settings =
        voice::Settings { rtp_ports: first..=first + hundreds * 200 - 1, ..voice::Settings::default() };
    Phone::start(settings).await.unwrap()
}

/// All rows of a list, however many pages.
pub(super) async fn every(api: &Api, path: &str) -> Vec<Value> {
    let (mut rows, mut token) = (Vec::new(), String::new());
    loop {
        let (status, mut page) = api.get(&format!("{path}?page_size=100&page_token={token}")).await;
        assert_eq!(status, 200, "{page}");
        rows.append(page["result"].as_array_mut().unwrap());
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            return rows;
        }
    }
}

/// Until all rows of a list are so.
pub(super) async fn all_become(api: &Api, path: &str, shall: impl Fn(&Value) -> bool) -> Vec<Value> {
    let limit = Instant::now() + PATIENCE;
    loop {
        let rows = every(api, path).await;
        if rows.iter().all(&shall) {
            return rows;
        }
        assert!(Instant::now() < limit, "not all {path} became so");
        sleep(Duration::from_millis(50)).await;
    }
}

/// So many calls that were answered and wait for a key.
pub(super) async fn place(api: &Api, carrier: &Phone, count: usize) -> Vec<LegId> {
    let mut legs = Vec::new();
    for _ in 0..count {
        api.row("calls", to(CALLED, actions())).await;
        let leg = rings(carrier).await;
        carrier.answer(leg).await.unwrap();
        legs.push(leg);
    }
    all_become(api, "calls", |call| call["status"] == "progressing").await;
    all_become(api, "activeflows", |flow| flow["current_action"]["type"] == "digits_receive").await;
    legs
}

/// Every call does what it is told through this node.
async fn obey(program: &Program) -> usize {
    let rows = every(&program.api, "calls").await;
    let mut open: BTreeSet<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let limit = Instant::now() + PATIENCE;
    while !open.is_empty() && Instant::now() < limit {
        for id in open.clone() {
            if program.api.delete(&format!("calls/{id}/mute")).await.0 == 200 {
                open.remove(&id);
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    open.len()
}

/// Presses a key on each until its flow has answered and ended it: audio both ways, the flow and its end work.
pub(super) async fn finish(carrier: &Phone, legs: &[LegId]) -> usize {
    let mut open: HashMap<LegId, String> = legs.iter().map(|leg| (*leg, String::new())).collect();
    let limit = Instant::now() + PATIENCE;
    let mut answered = 0;
    while !open.is_empty() && Instant::now() < limit {
        for (leg, heard) in &open {
            if heard.is_empty() {
                // one that is over presses nothing any more
                let _ = carrier.press(*leg, "7").await;
            }
        }
        let next = Instant::now() + Duration::from_secs(1);
        while let Ok(Some(event)) = tokio::time::timeout_at(next, carrier.event()).await {
            let PhoneEvent::Call { leg, event } = event else { continue };
            if let LegEvent::Digit { digit, .. } = event {
                open.entry(leg).or_default().push(digit);
            } else if let LegEvent::Ended { .. } = event
                && let Some(heard) = open.remove(&leg)
            {
                answered += usize::from(heard == "42");
            }
        }
    }
    answered
}

/// One charge for each call, by its minutes; what they make.
fn each_once(entries: &[Value], count: usize) -> i64 {
    let calls: BTreeSet<&str> = entries.iter().map(|entry| entry["reference_id"].as_str().unwrap()).collect();
    assert_eq!(calls.len(), count);
    let charge = |entry: &Value| {
        let minutes = entry["usage_duration"].as_i64().unwrap() / 60 + 1;
        assert_eq!(entry["amount_credit"], json!(-RATE * minutes), "{entry}");
        RATE * minutes
    };
    entries.iter().map(charge).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_with_many_calls_up_loses_none_and_each_is_charged_once() {
    let Some(database) = MariaDb::start().await else { return };
    let Some(broker) = broker::shared().await else { return };
    let (store, bus) = (database.database().await, broker.place());
    let flags = [("store", &*store), ("bus", &*bus)];
    let mut first = Program::with(&flags).await;
    let second = first.beside("second", &flags).await;
    let market = Market::open(first.operator.clone(), first.api.clone()).await;
    let carrier = carrier(2).await;
    market.carrier(carrier.local().udp, 1).await;
    market.pay(10.0).await;
    let legs = place(&first.api, &carrier, CALLS).await;
    let killed = Instant::now();
    first.kill().await;
    let deaf = obey(&second).await;
    let (count, lost) = (legs.len(), legs.len() / LOST);
    println!(
        "all but {deaf} of {count} calls were commanded through the other node after {:?}",
        killed.elapsed()
    );
    assert!(deaf <= lost, "{deaf} calls are not there");
    let answered = finish(&carrier, &legs).await;
    assert!(answered + lost >= count, "{answered} of {count} flows went on");
    let over = |page: &Value| {
        let all = page["result"].as_array().unwrap();
        all.len() == count && all.iter().all(|row| row["status"] == "end")
    };
    let page = second.api.becomes("billings?transaction_type=usage&page_size=100", over).await;
    let charges = each_once(page["result"].as_array().unwrap(), count);
    let market = Market { operator: second.operator.clone(), api: second.api.clone(), ..market };
    assert_eq!(market.balance().await, 10_000_000 - charges);
    assert_eq!(second.live_calls().await, "no live calls\n");
    second.stop().await;
    first.stop().await;
}
