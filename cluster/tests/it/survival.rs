//! Calls that outlive the process that carries them: the real program, killed in the middle of them.

mod linphone;
pub(crate) mod program;
mod takeover;

use protocol::ports::voice::{CAUSE_NORMAL, LegEvent, LegId};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, sleep_until};
use voice::{Phone, PhoneEvent};

use crate::calls::{ended, hears, rings, sees, until};
use crate::market::{CALLED, Market, RATE, switch, to};
use program::Program;

/// What the two sides send, in Hz: others after each kill, so that what is heard is no memory.
pub(crate) const TONES: [[u16; 2]; 3] = [[440, 1000], [600, 1300], [800, 1700]];

/// A call between two phones.
pub(crate) struct Talk {
    pub(crate) alice: Phone,
    pub(crate) near: LegId,
    pub(crate) bob: Phone,
    pub(crate) far: LegId,
}

impl Talk {
    /// The first calls the second, which rings.
    pub(crate) async fn begin(program: &Program) -> Talk {
        let (alice, bob) = (program.phone("100").await, program.phone("200").await);
        let near = alice.call(&format!("sip:200@{}", program.realm)).await.unwrap();
        let far = rings(&bob).await;
        bob.ring(far).await.unwrap();
        sees(&alice, near, LegEvent::Ringing).await;
        Talk { alice, near, bob, far }
    }

    pub(crate) async fn answer(&self) {
        self.bob.answer(self.far).await.unwrap();
        sees(&self.alice, self.near, LegEvent::Answered).await;
    }

    pub(crate) async fn speak(&self, [first, second]: [u16; 2]) {
        self.alice.tone(self.near, first).await.unwrap();
        self.bob.tone(self.far, second).await.unwrap();
    }

    pub(crate) async fn is_heard(&self, [first, second]: [u16; 2]) {
        hears(&self.bob, self.far, first).await;
        hears(&self.alice, self.near, second).await;
    }
}

pub(crate) fn all_are(page: &Value, count: usize, status: &str) -> bool {
    let rows = page["result"].as_array().unwrap();
    rows.len() == count && rows.iter().all(|row| row["status"] == status)
}

/// Every call is over and charged, and nothing of them lives on. The ledger's entries of the calls.
pub(crate) async fn over(program: &Program, count: usize) -> Vec<Value> {
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
    let talk = Talk::begin(&program).await;
    talk.answer().await;
    talk.speak(TONES[0]).await;
    talk.is_heard(TONES[0]).await;
    for tones in &TONES[1..] {
        program.kill().await;
        talk.speak(*tones).await;
        program.again().await;
        talk.is_heard(*tones).await;
    }
    program.api.becomes("calls", |page| all_are(page, 2, "progressing")).await;
    talk.bob.hangup(talk.far, CAUSE_NORMAL).await.unwrap();
    ended(&talk.alice, talk.near).await;
    for entry in over(&program, 2).await {
        assert_eq!(
            (&entry["reference_type"], &entry["amount_credit"]),
            (&json!("call_extension"), &json!(0))
        );
    }
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_rings_while_the_node_is_killed_can_still_answer() {
    let mut program = Program::start().await;
    let talk = Talk::begin(&program).await;
    program.kill().await;
    program.again().await;
    program.api.becomes("calls", |page| all_are(page, 2, "ringing")).await;
    talk.answer().await;
    talk.speak(TONES[0]).await;
    talk.is_heard(TONES[0]).await;
    talk.alice.hangup(talk.near, CAUSE_NORMAL).await.unwrap();
    ended(&talk.bob, talk.far).await;
    over(&program, 2).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_gives_up_after_the_node_was_killed_stops_the_ringing() {
    let mut program = Program::start().await;
    let talk = Talk::begin(&program).await;
    program.kill().await;
    program.again().await;
    talk.alice.hangup(talk.near, CAUSE_NORMAL).await.unwrap();
    ended(&talk.bob, talk.far).await;
    over(&program, 2).await;
    program.stop().await;
}

/// The next key that the phone hears.
async fn digit(phone: &Phone) -> char {
    let heard = |event: &PhoneEvent| match event {
        PhoneEvent::Call { event: LegEvent::Digit { digit, .. }, .. } => Some(*digit),
        PhoneEvent::Call { .. } | PhoneEvent::Rings { .. } => None,
    };
    until(phone, "a digit", heard).await
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
        {"id": id(5), "type": "digits_send", "option": {"digits": "9"}},
        {"id": id(1), "type": "digits_receive", "option": {"duration": 60_000, "length": 1}},
        {"id": id(2), "type": "branch", "option": {"default_target_id": id(4), "target_ids": {"7": id(3)}}},
        {"id": id(3), "type": "digits_send", "option": {"digits": "42"}},
        {"id": id(4), "type": "hangup", "option": {}},
    ]);
    program.api.row("calls", to(CALLED, actions)).await;
    let leg = rings(&carrier).await;
    carrier.answer(leg).await.unwrap();
    assert_eq!(digit(&carrier).await, '9');
    let waits = |page: &Value| page["result"][0]["current_action"]["type"] == "digits_receive";
    program.api.becomes("activeflows", waits).await;
    program.kill().await;
    program.again().await;
    carrier.press(leg, "7").await.unwrap();
    // not once more what was sent before
    assert_eq!((digit(&carrier).await, digit(&carrier).await), ('4', '2'));
    ended(&carrier, leg).await;
    let entries = over(&program, 1).await;
    assert_eq!((&entries[0]["billable_units"], &entries[0]["amount_credit"]), (&json!(1), &json!(-RATE)));
    assert_eq!(market.balance().await, 1_000_000 - RATE);
    assert_eq!(market.ledger().await, market.balance().await);
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_duration_of_a_call_counts_from_its_answer_and_not_from_the_restart() {
    const LONGEST: Duration = Duration::from_secs(5);
    let mut program = Program::with(&[("call-seconds", "5")]).await;
    let talk = Talk::begin(&program).await;
    let answered = Instant::now();
    talk.answer().await;
    program.kill().await;
    // most of it passes while the node is down
    sleep_until(answered + LONGEST - Duration::from_secs(2)).await;
    program.again().await;
    ended(&talk.bob, talk.far).await;
    ended(&talk.alice, talk.near).await;
    assert!(answered.elapsed() < LONGEST + Duration::from_secs(2), "{:?}", answered.elapsed());
    over(&program, 2).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_call_is_when_the_node_is_killed_nothing_of_it_remains() {
    /// After the INVITE was sent, in milliseconds.
    const MOMENTS: [u64; 10] = [0, 5, 10, 20, 30, 40, 60, 80, 120, 200];
    let mut program = Program::start().await;
    let (alice, bob) = (program.phone("100").await, program.phone("200").await);
    let answers = async {
        while let Some(event) = bob.event().await {
            if let PhoneEvent::Rings { leg, .. } = event {
                let _ = bob.answer(leg).await;
            }
        }
    };
    let calls = async {
        for moment in MOMENTS {
            let leg = alice.call(&format!("sip:200@{}", program.realm)).await.unwrap();
            sleep(Duration::from_millis(moment)).await;
            program.kill().await;
            program.again().await;
            // one whose first message met nobody has given up already
            let _ = alice.hangup(leg, CAUSE_NORMAL).await;
            ended(&alice, leg).await;
        }
    };
    tokio::select! {
        () = answers => panic!("the phone was switched off"),
        () = calls => {}
    }
    let all = |page: &Value, status: &str| {
        page["result"].as_array().unwrap().iter().all(|row| row["status"] == status)
    };
    let page = program.api.becomes("calls?page_size=100", |page| all(page, "hangup")).await;
    program.api.becomes("activeflows?page_size=100", |page| all(page, "ended")).await;
    // a reservation that no call came of is given back by its own timer, later
    for call in page["result"].as_array().unwrap() {
        let entry = format!("billings?reference_id={}", call["id"].as_str().unwrap());
        program.api.becomes(&entry, |page| all_are(page, 1, "end")).await;
    }
    assert_eq!(program.live_calls().await, "no live calls\n");
    program.stop().await;
}
