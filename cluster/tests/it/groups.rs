//! Groups of phones of which the first answer wins.

use protocol::ports::voice::{CAUSE_BUSY, CAUSE_NORMAL};
use serde_json::{Value, json};
use voice::Phone;

use crate::calls::{account, all_over, ended, phone, rings};
use crate::platform::{Platform, free_block};

/// One more phone of an extension that has one already.
async fn second_phone(platform: &Platform, extension: &str) -> Phone {
    let first = free_block();
    let settings = voice::Settings { rtp_ports: first..=first + 99, ..voice::Settings::default() };
    let phone = Phone::start(settings).await.unwrap();
    phone.register(account(platform, extension, crate::calls::PASSWORD)).await.unwrap();
    phone
}

fn group(destinations: &[&str], ring_method: &str) -> Value {
    let to = |extension: &&str| json!({"type": "extension", "target": extension});
    json!({
        "source": {"type": "tel", "target": "+15550100"}, "ring_method": ring_method,
        "destinations": destinations.iter().map(to).collect::<Vec<_>>(), "answer_method": "hangup_others",
        "actions": [{"type": "digits_receive", "option": {"duration": 20_000, "length": 1}}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn all_phones_of_an_extension_ring_and_the_first_answer_wins() {
    let platform = Platform::start().await;
    let (desk, extension) = phone(&platform, "100").await;
    let mobile = second_phone(&platform, "100").await;
    let group = platform.made("groupcalls", group(&[&extension], "ring_all")).await;
    let (at_desk, on_mobile) = (rings(&desk).await, rings(&mobile).await);
    mobile.answer(on_mobile).await.unwrap();
    ended(&desk, at_desk).await;
    let path = format!("groupcalls/{group}");
    let row = platform.becomes(&path, |row| row["call_count"] == 1 || row["status"] == "hangup").await;
    assert_eq!(row["status"], "progressing");
    mobile.hangup(on_mobile, CAUSE_NORMAL).await.unwrap();
    let row = platform.becomes(&path, |row| row["status"] == "hangup").await;
    let calls = all_over(&platform, 2).await;
    let winner = calls.iter().find(|call| call["id"] == row["answer_call_id"]).unwrap();
    assert!(winner["tm_progressing"].is_string());
    assert!(calls.iter().filter(|call| call["hangup_reason"] == "cancel").count() == 1, "{calls:?}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linear_group_rings_one_after_another() {
    let platform = Platform::start().await;
    let ((first, one), (second, two)) = (phone(&platform, "100").await, phone(&platform, "200").await);
    let group = platform.made("groupcalls", group(&[&one, &two], "linear")).await;
    let leg = rings(&first).await;
    first.hangup(leg, CAUSE_BUSY).await.unwrap();
    let leg = rings(&second).await;
    second.answer(leg).await.unwrap();
    let path = format!("groupcalls/{group}");
    platform.becomes(&path, |row| row["answer_call_id"] != "00000000-0000-0000-0000-000000000000").await;
    let (status, _) = platform.post(&format!("{path}/hangup"), Value::Null).await;
    assert_eq!(status, 200);
    ended(&second, leg).await;
    let calls = all_over(&platform, 2).await;
    assert_eq!((&calls[1]["hangup_reason"], &calls[0]["hangup_by"]), (&json!("busy"), &json!("local")));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_a_phone_is_refused() {
    let platform = Platform::start().await;
    let body = json!({"extension": "100", "password": crate::calls::PASSWORD, "name": "", "detail": ""});
    let extension = platform.made("extensions", body).await;
    let (status, answer) = platform.post("groupcalls", group(&[&extension], "ring_all")).await;
    assert_eq!((status, &answer["error"]["reason"]), (409, &json!("NO_CONTACT")));
    assert_eq!(platform.get("groupcalls").await.1["result"], json!([]));
    platform.stop().await;
}
