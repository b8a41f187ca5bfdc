//! Webhooks to a real receiver: their proof, their second chance, and whom they may not reach or delay.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA256, Key, sign};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::api::Api;
use crate::platform::Platform;
use crate::server::{Asked, FAILS_ONCE, HANGS, MOVED, Server, TAKES};

async fn send_to(api: &Api, uri: &str) {
    let (status, answer) = api.put("customer", json!({"webhook_method": "POST", "webhook_uri": uri})).await;
    assert_eq!(status, 200, "{answer}");
}

/// A customer of which nothing is told yet: it has no users, whose making would be an event.
async fn customer(platform: &Platform, email: &str) -> Api {
    let (_, key) = platform.another_customer(email).await;
    platform.api().with_key(&key)
}

/// Makes a number, which is one event that customers are told of. The number's id.
async fn number(api: &Api, digits: &str) -> String {
    api.made("numbers", json!({"number": digits, "type": "virtual"})).await
}

/// The newest delivery, once it is as it shall be.
async fn delivery(api: &Api, shall: impl Fn(&Value) -> bool) -> Value {
    api.becomes("deliveries", |page| shall(&page["result"][0])).await["result"][0].clone()
}

fn voipbin(secret: &str, asked: &Asked) -> String {
    let tag = sign(&Key::new(HMAC_SHA256, secret.as_bytes()), &asked.body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// Standard Webhooks 1.0.
fn standard(secret: &str, asked: &Asked) -> String {
    let decoded = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    let key = Key::new(HMAC_SHA256, decoded.as_deref().unwrap_or(secret.as_bytes()));
    let mut signed =
        format!("{}.{}.", asked.header("webhook-id"), asked.header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&asked.body);
    format!("v1,{}", STANDARD.encode(sign(&key, &signed)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_signed_in_both_ways_and_internal_events_are_not_sent() {
    let (platform, server) = (Platform::start().await, Server::start().await);
    send_to(platform.api(), &server.url(TAKES)).await;
    let tag = platform.made("tags", json!({"name": "quiet"})).await;
    let id = number(platform.api(), "+899100000001").await;
    let about = |row: &Value| row["event_type"] == "number_created" && row["status"] == "delivered";
    let row = delivery(platform.api(), about).await;
    assert_eq!(row["last_status"], 204);
    let asked = server.asked(TAKES);
    let asked = asked.iter().find(|asked| asked.header("webhook-id") == row["id"]).unwrap();
    let (event, secret) = (asked.event(), &platform.welcome.webhook_secret);
    assert_eq!((&event["type"], &event["data"]["id"]), (&json!("number_created"), &json!(id)));
    assert_eq!(asked.header("content-type"), "application/json");
    assert_eq!(asked.header("x-voipbin-signature"), voipbin(secret, asked));
    assert_eq!(asked.header("webhook-signature"), standard(secret, asked));
    let sent: i64 = asked.header("webhook-timestamp").parse().unwrap();
    assert!((chrono::Utc::now().timestamp() - sent).abs() < 60, "{sent}");
    // the tag's event has been everywhere, and nothing was made of it
    platform.becomes(&format!("timelines/tags/{tag}/events"), |page| page["result"].is_array()).await;
    let told = server.asked(TAKES);
    let told: Vec<_> = told.iter().map(|asked| asked.event()["type"].clone()).collect();
    // that the first admin was made may be told, too: it depends on who was quicker
    assert!(told.iter().all(|told| told == "number_created" || told == "agent_created"), "{told:?}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_endpoint_refused_is_sent_again_also_by_the_next_start_of_the_node() {
    let (platform, server) = (Platform::start().await, Server::start().await);
    let api = customer(&platform, "retried@example.com").await;
    send_to(&api, &server.url(FAILS_ONCE)).await;
    number(&api, "+899100000002").await;
    let row = delivery(&api, |row| row["attempts"] == 1).await;
    assert_eq!((&row["status"], &row["last_status"]), (&json!("pending"), &json!(500)));
    let (key, platform) = (api, platform.restart().await);
    let api = platform.api().as_key_of(&key);
    let asked = server.is_asked(FAILS_ONCE, 2).await;
    assert_eq!(asked[0].body, asked[1].body);
    assert_eq!(asked[0].header("webhook-id"), asked[1].header("webhook-id"));
    let row = delivery(&api, |row| row["status"] == "delivered").await;
    assert_eq!(row["attempts"], 2);
    // by hand, what was delivered is delivered again
    let retry = format!("deliveries/{}/retry", row["id"].as_str().unwrap());
    api.row(&retry, Value::Null).await;
    server.is_asked(FAILS_ONCE, 3).await;
    delivery(&api, |row| row["status"] == "delivered" && row["attempts"] == 1).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_goes_where_it_was_sent_and_nowhere_else() {
    let (platform, server) = (Platform::start().await, Server::start().await);
    let api = customer(&platform, "moved@example.com").await;
    send_to(&api, &server.url(MOVED)).await;
    number(&api, "+899100000003").await;
    let row = delivery(&api, |row| row["attempts"] == 1).await;
    assert_eq!((&row["status"], &row["last_status"]), (&json!("pending"), &json!(307)));
    assert_eq!((server.asked(MOVED).len(), server.asked(TAKES).len()), (1, 0));
    // a private address is never tried: no attempt can succeed
    send_to(&api, "http://10.1.2.3/hook").await;
    number(&api, "+899100000004").await;
    let private = |row: &Value| row["url"] == "http://10.1.2.3/hook" && row["status"] == "failed";
    let row = delivery(&api, private).await;
    assert_eq!((&row["attempts"], &row["tm_next"]), (&json!(1), &Value::Null));
    assert!(row["last_error"].as_str().unwrap().contains("ADDRESS_FORBIDDEN"), "{row}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_hangs_delays_nobody_elses_webhooks() {
    /// Far less than the fifteen seconds that an endpoint has to answer.
    const SOON: Duration = Duration::from_secs(8);
    /// More than a customer's attempts at once.
    const MANY: usize = 20;
    let (platform, server) = (Platform::start().await, Server::start().await);
    send_to(platform.api(), &server.url(HANGS)).await;
    for _ in 0..MANY {
        platform.made("activeflows", json!({"actions": []})).await;
    }
    server.is_asked(HANGS, 1).await;
    let other = customer(&platform, "quick@example.com").await;
    send_to(&other, &server.url(TAKES)).await;
    let asked_for = Instant::now();
    let id = number(&other, "+899100000005").await;
    let got = server.is_asked(TAKES, 1).await.remove(0).event();
    assert!(asked_for.elapsed() < SOON, "{:?}", asked_for.elapsed());
    assert_eq!(got["data"]["id"], json!(id));
    assert!(other.list("deliveries").await.len() == 1, "deliveries are their customer's alone");
    platform.stop().await;
}
