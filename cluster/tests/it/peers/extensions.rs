//! sipp as an ordinary telephone: it registers with a password, is called, and calls another extension.

use serde_json::json;

use super::desk::Desk;
use super::sipp::{Scenario, Sipp};
use super::{PASSWORD, all_over, call, extension, installed, realm};
use crate::platform::{Platform, free_port};

/// sipp registers as extension 100 from `port`.
fn register(platform: &Platform, port: u16, password: &str) -> Sipp {
    let realm = realm(platform);
    let who = ["-m", "1", "-s", "100", "-au", "100", "-ap", password, "-key", "realm", &realm];
    Sipp::turn_from(platform, (&Scenario::File("register"), port), &who)
}

#[tokio::test(flavor = "multi_thread")]
async fn sipp_registers_with_its_password_only_and_is_called_by_the_api() {
    if !installed(&["sipp"]) {
        return;
    }
    let platform = Platform::start().await;
    let own = extension(&platform, "100").await;
    let hangup = || json!([{"type": "beep"}, {"type": "hangup"}]);
    let port = free_port();
    register(&platform, port, "not-the-password").fails().await;
    let (status, refusal) = call(&platform, ("extension", &own), hangup()).await;
    assert_eq!((status, &refusal["error"]["reason"]), (409, &json!("NO_CONTACT")), "{refusal}");
    register(&platform, port, PASSWORD).succeeds().await;
    let phone = Sipp::listen(&platform, (&Scenario::Own("uas"), port), &["-m", "1"]).await;
    let (status, placed) = call(&platform, ("extension", &own), hangup()).await;
    assert_eq!(status, 200, "{placed}");
    phone.succeeds().await;
    let calls = all_over(&platform, 1).await;
    assert_eq!((&calls[0]["hangup_by"], &calls[0]["hangup_reason"]), (&json!("local"), &json!("normal")));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sipp_proves_who_it_is_and_calls_another_extension() {
    if !installed(&["sipp"]) {
        return;
    }
    let platform = Platform::start().await;
    extension(&platform, "100").await;
    let desk = Desk::registered(&platform, "200").await;
    let realm = realm(&platform);
    let who = ["-m", "1", "-s", "200", "-au", "100", "-ap", PASSWORD, "-key", "realm", &realm];
    let sipp = Sipp::turn(&platform, &Scenario::File("extension"), &who);
    let leg = desk.answers().await;
    desk.is_hung_up(leg).await;
    sipp.succeeds().await;
    let calls = all_over(&platform, 2).await;
    let directions = [&calls[0]["direction"], &calls[1]["direction"]];
    assert_eq!(directions, ["outgoing", "incoming"]);
    assert_eq!((&calls[1]["hangup_by"], &calls[0]["hangup_by"]), (&json!("remote"), &json!("local")));
    desk.stop().await;
    platform.stop().await;
}
