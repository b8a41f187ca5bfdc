//! linphone as an ordinary telephone: it registers, is called, calls an extension and a number, and either side
//! hangs up.

use serde_json::{Value, json};

use super::{LINPHONE, Linphone};
use crate::peers::carriers::number_with_flow;
use crate::peers::{OWN, all_over, call, extension, installed, realm};
use crate::platform::Platform;

async fn linphone(platform: &Platform, number: &str) -> Linphone {
    Linphone::registered(platform.node.voice.local().udp, &realm(platform), number).await
}

/// Two of them, at the extensions 100 and 200.
async fn two(platform: &Platform) -> [Linphone; 2] {
    for number in ["100", "200"] {
        extension(platform, number).await;
    }
    [linphone(platform, "100").await, linphone(platform, "200").await]
}

async fn stop(platform: Platform, phones: impl IntoIterator<Item = Linphone>) {
    for phone in phones {
        phone.stop().await;
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linphone_calls_another_and_both_hear_each_other() {
    if !installed(&[LINPHONE]) {
        return;
    }
    let platform = Platform::start().await;
    let [mut alice, mut bob] = two(&platform).await;
    for caller_hangs_up in [false, true] {
        alice.does(&format!("call sip:200@{}", realm(&platform))).await;
        bob.answers().await;
        alice.is_connected().await;
        alice.says(440).await;
        bob.says(1_000).await;
        bob.hears(440).await;
        alice.hears(1_000).await;
        let (first, then) = if caller_hangs_up { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        first.hangs_up().await;
        then.is_hung_up().await;
    }
    let calls = all_over(&platform, 4).await;
    assert!(calls.iter().all(|call| call["hangup_reason"] == "normal"), "{calls:?}");
    stop(platform, [alice, bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linphone_calls_back_whoever_has_called() {
    if !installed(&[LINPHONE]) {
        return;
    }
    let platform = Platform::start().await;
    let [mut alice, mut bob] = two(&platform).await;
    alice.does(&format!("call sip:200@{}", realm(&platform))).await;
    let caller = bob.answers().await;
    bob.hangs_up().await;
    alice.is_hung_up().await;
    bob.does(&format!("call {caller}")).await;
    alice.answers().await;
    bob.is_connected().await;
    alice.hangs_up().await;
    bob.is_hung_up().await;
    all_over(&platform, 4).await;
    stop(platform, [alice, bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linphone_calls_a_number_and_its_flow_hangs_up() {
    if !installed(&[LINPHONE]) {
        return;
    }
    let platform = Platform::start().await;
    extension(&platform, "100").await;
    number_with_flow(&platform, json!([{"type": "answer"}, {"type": "beep"}, {"type": "hangup"}])).await;
    let mut phone = linphone(&platform, "100").await;
    phone.does(&format!("call sip:{OWN}@{}", realm(&platform))).await;
    phone.is_connected().await;
    phone.is_hung_up().await;
    let calls = all_over(&platform, 1).await;
    assert_eq!((&calls[0]["direction"], &calls[0]["hangup_by"]), (&json!("incoming"), &json!("local")));
    platform.becomes("activeflows", |page| page["result"][0]["status"] == "ended").await;
    stop(platform, [phone]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linphone_is_called_by_the_api_which_also_hangs_up() {
    if !installed(&[LINPHONE]) {
        return;
    }
    let platform = Platform::start().await;
    let own = extension(&platform, "100").await;
    let mut phone = linphone(&platform, "100").await;
    let wait = json!([{"type": "sleep", "option": {"duration": 60_000}}]);
    let (status, placed) = call(&platform, ("extension", &own), wait).await;
    assert_eq!(status, 200, "{placed}");
    phone.answers().await;
    let page = platform.becomes("calls", |page| page["result"][0]["status"] == "progressing").await;
    let id = page["result"][0]["id"].as_str().expect("an id");
    let (status, said) = platform.post(&format!("calls/{id}/hangup"), Value::Null).await;
    assert_eq!(status, 200, "{said}");
    phone.is_hung_up().await;
    let calls = all_over(&platform, 1).await;
    assert_eq!((&calls[0]["hangup_by"], &calls[0]["hangup_reason"]), (&json!("local"), &json!("normal")));
    stop(platform, [phone]).await;
}
