//! Calls between real phones through a whole node.

mod late;

use protocol::ports::voice::{CAUSE_BUSY, CAUSE_NORMAL, LegEvent, LegId, Transport};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use voice::{Account, Phone, PhoneEvent};

use crate::platform::{PATIENCE, Platform, free_block};

pub(crate) const PASSWORD: &str = "a-long-secret";
const AUDIBLE: f32 = -30.0;

pub(crate) fn realm(platform: &Platform) -> String {
    format!("{}.registrar.branchline.local", platform.welcome.customer_id)
}

/// A phone that is registered as a new extension, and the extension's id.
pub(crate) async fn phone(platform: &Platform, extension: &str) -> (Phone, String) {
    let body = json!({"extension": extension, "password": PASSWORD, "name": extension, "detail": ""});
    let id = platform.made("extensions", body).await;
    let first = free_block();
    let phone = Phone::start(voice::Settings { rtp_ports: first..=first + 99, ..voice::Settings::default() })
        .await
        .unwrap();
    phone.register(account(platform, extension, PASSWORD)).await.unwrap();
    (phone, id)
}

pub(crate) fn account(platform: &Platform, user: &str, password: &str) -> Account {
    Account {
        server: platform.node.voice.local().udp,
        transport: Transport::Udp,
        user: user.into(),
        domain: realm(platform),
        password: password.into(),
    }
}

pub(crate) async fn until<T>(phone: &Phone, what: &str, wanted: impl Fn(&PhoneEvent) -> Option<T>) -> T {
    let seek = async {
        loop {
            let event = phone.event().await.expect("the phone runs");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    };
    timeout(PATIENCE, seek).await.unwrap_or_else(|_| panic!("never: {what}"))
}

pub(crate) async fn rings(phone: &Phone) -> LegId {
    until(phone, "it rings", |event| match event {
        PhoneEvent::Rings { leg, .. } => Some(*leg),
        PhoneEvent::Call { .. } => None,
    })
    .await
}

pub(crate) async fn sees(phone: &Phone, of: LegId, wanted: LegEvent) {
    until(phone, &format!("{wanted:?}"), |event| {
        matches!(event, PhoneEvent::Call { leg, event } if *leg == of && *event == wanted).then_some(())
    })
    .await;
}

pub(crate) async fn ended(phone: &Phone, of: LegId) -> u16 {
    until(phone, "the end", |event| match event {
        PhoneEvent::Call { leg, event: LegEvent::Ended { status, .. } } if *leg == of => Some(*status),
        PhoneEvent::Call { .. } | PhoneEvent::Rings { .. } => None,
    })
    .await
}

pub(crate) async fn hears(phone: &Phone, leg: LegId, frequency: u16) {
    let limit = Instant::now() + PATIENCE;
    while phone.hears(leg, frequency).await.unwrap() < AUDIBLE {
        assert!(Instant::now() < limit, "{frequency} Hz never heard");
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Every call of the customer is over; their rows, newest first.
pub(crate) async fn all_over(platform: &Platform, count: usize) -> Vec<Value> {
    let over = |page: &Value| {
        let calls = page["result"].as_array().unwrap();
        calls.len() == count && calls.iter().all(|call| call["status"] == "hangup")
    };
    platform.becomes("calls?page_size=100", over).await["result"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_phone_calls_another_and_both_hear_each_other() {
    let platform = Platform::start().await;
    let ((alice, _), (bob, _)) = (phone(&platform, "100").await, phone(&platform, "200").await);
    let leg = alice.call(&format!("sip:200@{}", realm(&platform))).await.unwrap();
    let far = rings(&bob).await;
    bob.ring(far).await.unwrap();
    sees(&alice, leg, LegEvent::Ringing).await;
    bob.answer(far).await.unwrap();
    sees(&alice, leg, LegEvent::Answered).await;
    alice.tone(leg, 440).await.unwrap();
    bob.tone(far, 1000).await.unwrap();
    hears(&bob, far, 440).await;
    hears(&alice, leg, 1000).await;
    bob.hangup(far, CAUSE_NORMAL).await.unwrap();
    ended(&alice, leg).await;
    let calls = all_over(&platform, 2).await;
    assert_eq!((&calls[0]["direction"], &calls[1]["direction"]), (&json!("outgoing"), &json!("incoming")));
    assert_eq!(calls[0]["hangup_by"], "remote");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_phone_makes_the_caller_hear_busy() {
    let platform = Platform::start().await;
    let ((alice, _), (bob, _)) = (phone(&platform, "100").await, phone(&platform, "200").await);
    let leg = alice.call(&format!("sip:200@{}", realm(&platform))).await.unwrap();
    let far = rings(&bob).await;
    bob.hangup(far, CAUSE_BUSY).await.unwrap();
    assert_eq!(ended(&alice, leg).await, 486);
    all_over(&platform, 2).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_stops_the_ringing() {
    let platform = Platform::start().await;
    let ((alice, _), (bob, _)) = (phone(&platform, "100").await, phone(&platform, "200").await);
    let leg = alice.call(&format!("sip:200@{}", realm(&platform))).await.unwrap();
    let far = rings(&bob).await;
    bob.ring(far).await.unwrap();
    sees(&alice, leg, LegEvent::Ringing).await;
    alice.hangup(leg, CAUSE_NORMAL).await.unwrap();
    ended(&bob, far).await;
    let calls = all_over(&platform, 2).await;
    assert_eq!(calls[1]["hangup_reason"], "cancel");
    platform.stop().await;
}

/// The timeline has one event of a type of this run of a flow.
async fn noted(platform: &Platform, run: &Value, r#type: &str) {
    let once = |story: &Value| {
        let events = story["result"].as_array().into_iter().flatten();
        events.filter(|event| event["event_type"] == r#type).count() == 1
    };
    platform.becomes(&format!("aggregated-events?activeflow_id={}", run.as_str().unwrap()), once).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_calls_a_phone_and_its_flow_branches_on_a_digit() {
    let platform = Platform::start().await;
    let (alice, extension) = phone(&platform, "100").await;
    let id = |n: u8| format!("00000000-0000-4000-8000-0000000000{n:02}");
    let actions = json!([
        {"id": id(1), "type": "beep"},
        {"id": id(2), "type": "digits_receive", "option": {"duration": 15_000, "length": 1}},
        {"id": id(3), "type": "branch", "option": {"default_target_id": id(5), "target_ids": {"7": id(4)}}},
        {"id": id(4), "type": "digits_send", "option": {"digits": "42"}},
        {"id": id(5), "type": "hangup", "option": {"reason": "busy"}},
    ]);
    let flow = platform.made("flows", json!({"name": "menu", "actions": actions})).await;
    let call = json!({
        "flow_id": flow, "source": {"type": "tel", "target": "+15550100"},
        "destinations": [{"type": "extension", "target": extension}],
    });
    let (status, placed) = platform.post("calls", call).await;
    assert_eq!((status, placed["groupcalls"].as_array().unwrap().len()), (200, 1), "{placed}");
    let leg = rings(&alice).await;
    alice.answer(leg).await.unwrap();
    hears(&alice, leg, 1000).await;
    alice.press(leg, "7").await.unwrap();
    for digit in ['4', '2'] {
        until(&alice, "a digit", |event| {
            matches!(event, PhoneEvent::Call { event: LegEvent::Digit { digit: got, .. }, .. } if *got == digit).then_some(())
        })
        .await;
    }
    ended(&alice, leg).await;
    let calls = all_over(&platform, 1).await;
    assert_eq!(calls[0]["hangup_by"], "local");
    let flows = platform.becomes("activeflows", |page| page["result"][0]["status"] == "ended").await;
    let done: Vec<_> = flows["result"][0]["executed_actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["type"].clone())
        .collect();
    assert!(done.contains(&json!("digits_send")), "{done:?}");
    noted(&platform, &flows["result"][0]["id"], "dtmf_received").await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_not_be_placed_leaves_no_trace() {
    let platform = Platform::start().await;
    let (_, extension) = (0, "0190f3a0-0000-7000-8000-000000000001");
    let to = |kind: &str, target: &str| {
        json!({"actions": [{"type": "hangup"}], "source": {"type": "tel", "target": "+15550100"},
               "destinations": [{"type": kind, "target": target}]})
    };
    for (body, status) in [
        (to("extension", extension), 404),
        (to("tel", "+15550123"), 403),
        (to("tel", "nobody"), 400),
        (to("conference", "x"), 400),
        (json!({"destinations": []}), 400),
        (json!({"destinations": [{"type": "tel", "target": "+1"}], "actions": [{"type": "nonsense"}]}), 400),
        (json!({"destinations": [{"type": "tel", "target": "+1"}], "flow_id": extension}), 404),
    ] {
        let (got, answer) = platform.post("calls", body.clone()).await;
        assert_eq!(got, status, "{body} {answer}");
    }
    assert_eq!(platform.get("calls").await.1["result"], json!([]));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_destination_that_is_none_places_no_call_to_those_before_it() {
    let platform = Platform::start().await;
    let (alice, extension) = phone(&platform, "100").await;
    let body = json!({
        "actions": [{"type": "hangup"}], "source": {"type": "tel", "target": "+15550100"},
        "destinations": [{"type": "extension", "target": extension}, {"type": "tel", "target": "nobody"}],
    });
    let (status, said) = platform.post("calls", body).await;
    assert_eq!(status, 400, "{said}");
    let message = said["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("destinations[1]: "), "{message}");
    for made in ["calls", "groupcalls"] {
        assert_eq!(platform.get(made).await.1["result"], json!([]), "{made}");
    }
    alice.stop().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_registers_nothing() {
    let platform = Platform::start().await;
    platform
        .made("extensions", json!({"extension": "100", "password": PASSWORD, "name": "", "detail": ""}))
        .await;
    let first = free_block();
    let phone = Phone::start(voice::Settings { rtp_ports: first..=first + 99, ..voice::Settings::default() })
        .await
        .unwrap();
    assert!(phone.register(account(&platform, "100", "wrong")).await.is_err());
    assert!(phone.register(account(&platform, "999", PASSWORD)).await.is_err());
    phone.register(account(&platform, "100", PASSWORD)).await.unwrap();
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_sees_everything() {
    cluster::demo::run(false, None).await.unwrap();
}
