//! Calls that outlive the process that carries them: the real program, killed in the middle of them.

mod program;

use protocol::ports::voice::{CAUSE_NORMAL, LegEvent, LegId};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use voice::{Phone, PhoneEvent};

use crate::api::{LOOK, PATIENCE};
use crate::calls::{ended, hears, rings, sees, until};
use crate::market::{CALLED, Market, RATE, switch, to};
use program::Program;

/// In dB of full scale: nothing is heard.
const SILENT: f32 = -60.0;
/// What each side sends, in Hz.
const TONES: [u16; 2] = [440, 1000];

async fn hears_nothing(phone: &Phone, leg: LegId, frequency: u16) {
    let limit = Instant::now() + PATIENCE;
    while phone.hears(leg, frequency).await.unwrap() > SILENT {
        assert!(Instant::now() < limit, "{frequency} Hz never ends");
        sleep(LOOK).await;
    }
}

/// The first calls the second; each hears the other.
async fn talk(program: &Program, alice: &Phone, bob: &Phone) -> (LegId, LegId) {
    let near = alice.call(&format!("sip:200@{}", program.realm)).await.unwrap();
    let far = rings(bob).await;
    bob.ring(far).await.unwrap();
    bob.answer(far).await.unwrap();
    sees(alice, near, LegEvent::Answered).await;
    alice.tone(near, TONES[0]).await.unwrap();
    bob.tone(far, TONES[1]).await.unwrap();
    hears(bob, far, TONES[0]).await;
    hears(alice, near, TONES[1]).await;
    (near, far)
}

fn all_are(page: &Value, count: usize, status: &str) -> bool {
    let rows = page["result"].as_array().unwrap();
    rows.len() == count && rows.iter().all(|row| row["status"] == status)
}

/// Every call is over and charged, and nothing of them lives on. The ledger's entries of the calls.
async fn over(program: &Program, count: usize) -> Vec<Value> {
    program.api.becomes("calls", |page| all_are(page, count, "hangup")).await;
    let used = "billings?transaction_type=usage";
    let page = program.api.becomes(used, |page| all_are(page, count, "end")).await;
    program.api.becomes("activeflows", |page| all_are(page, count, "ended")).await;
    assert_eq!(program.live_calls().await, "no live calls\n");
    page["result"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_hear_each_other_again_after_the_node_was_killed() {
    let mut program = Program::start().await;
    let (alice, bob) = (program.phone("100").await, program.phone("200").await);
    let (near, far) = talk(&program, &alice, &bob).await;
    for _ in 0..2 {
        program.kill().await;
        hears_nothing(&bob, far, TONES[0]).await;
        hears_nothing(&alice, near, TONES[1]).await;
        program.again().await;
        hears(&bob, far, TONES[0]).await;
        hears(&alice, near, TONES[1]).await;
    }
    program.api.becomes("calls", |page| all_are(page, 2, "progressing")).await;
    bob.hangup(far, CAUSE_NORMAL).await.unwrap();
    ended(&alice, near).await;
    for entry in over(&program, 2).await {
        assert_eq!((&entry["reference_type"], &entry["amount_credit"]), (&json!("call_extension"), &json!(0)));
    }
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_rings_while_the_node_is_killed_can_still_answer() {
    let mut program = Program::start().await;
    let (alice, bob) = (program.phone("100").await, program.phone("200").await);
    let near = alice.call(&format!("sip:200@{}", program.realm)).await.unwrap();
    let far = rings(&bob).await;
    bob.ring(far).await.unwrap();
    sees(&alice, near, LegEvent::Ringing).await;
    program.kill().await;
    program.again().await;
    program.api.becomes("calls", |page| all_are(page, 2, "ringing")).await;
    bob.answer(far).await.unwrap();
    sees(&alice, near, LegEvent::Answered).await;
    alice.tone(near, TONES[0]).await.unwrap();
    bob.tone(far, TONES[1]).await.unwrap();
    hears(&bob, far, TONES[0]).await;
    hears(&alice, near, TONES[1]).await;
    alice.hangup(near, CAUSE_NORMAL).await.unwrap();
    ended(&bob, far).await;
    over(&program, 2).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_gives_up_after_the_node_was_killed_stops_the_ringing() {
    let mut program = Program::start().await;
    let (alice, bob) = (program.phone("100").await, program.phone("200").await);
    let near = alice.call(&format!("sip:200@{}", program.realm)).await.unwrap();
    let far = rings(&bob).await;
    bob.ring(far).await.unwrap();
    sees(&alice, near, LegEvent::Ringing).await;
    program.kill().await;
    program.again().await;
    alice.hangup(near, CAUSE_NORMAL).await.unwrap();
    ended(&bob, far).await;
    over(&program, 2).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_waits_for_a_digit_goes_on_after_the_node_was_killed() {
    let mut program = Program::start().await;
    let market = Market::open(program.operator.clone(), program.api.clone()).await;
    let carrier = switch().await;
    market.carrier(carrier.local().udp, 1).await;
    market.pay(1.0).await;
    let id = |n: u8| format!("00000000-0000-4000-8000-0000000000{n:02}");
    let actions = json!([
        {"id": id(1), "type": "digits_receive", "option": {"duration": 60_000, "length": 1}},
        {"id": id(2), "type": "branch", "option": {"default_target_id": id(4), "target_ids": {"7": id(3)}}},
        {"id": id(3), "type": "digits_send", "option": {"digits": "42"}},
        {"id": id(4), "type": "hangup", "option": {}},
    ]);
    program.api.row("calls", to(CALLED, actions)).await;
    let leg = rings(&carrier).await;
    carrier.answer(leg).await.unwrap();
    let waits = |page: &Value| page["result"][0]["current_action"]["type"] == "digits_receive";
    program.api.becomes("activeflows", waits).await;
    program.kill().await;
    program.again().await;
    carrier.press(leg, "7").await.unwrap();
    for digit in ['4', '2'] {
        let event = |event: &PhoneEvent| match event {
            PhoneEvent::Call { event: LegEvent::Digit { digit: got, .. }, .. } => (*got == digit).then_some(()),
            PhoneEvent::Call { .. } | PhoneEvent::Rings { .. } => None,
        };
        until(&carrier, "a digit", event).await;
    }
    ended(&carrier, leg).await;
    let entries = over(&program, 1).await;
    assert_eq!((&entries[0]["billable_units"], &entries[0]["amount_credit"]), (&json!(1), &json!(-RATE)));
    assert_eq!(market.balance().await, 1_000_000 - RATE);
    assert_eq!(market.ledger().await, market.balance().await);
    program.stop().await;
}
