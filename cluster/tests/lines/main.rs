//! Log lines of a request that passes two nodes, and of a call.

#![allow(clippy::unwrap_used, reason = "a test fails where it is wrong")]

#[path = "../it/api.rs"]
#[allow(dead_code, reason = "other tests do more with it")]
mod api;
mod ask;
#[path = "../it/pair.rs"]
#[allow(dead_code, reason = "other tests do more with it")]
mod pair;
#[path = "../it/platform.rs"]
#[allow(dead_code, reason = "other tests do more with it")]
mod platform;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ask::post;
use cluster::telemetry::logs::{self, Format};
use pair::Pair;
use platform::{PATIENCE, Platform, free_block};
use protocol::ports::voice::{CAUSE_NORMAL, LegId, Transport};
use protocol::time;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use voice::{Account, Phone, PhoneEvent};

const PASSWORD: &str = "a-very-long-secret";

/// What is logged, kept.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The first line that is as it shall be, within a limit: it is written after the answer.
    async fn line(&self, what: &str, shall: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            if let Some(found) = lines.into_iter().find(&shall) {
                return found;
            }
            assert!(Instant::now() < limit, "no line of {what} in {text}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn check(line: &Value, expected: Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(line[name], *value, "{name} of {line}");
    }
    let stamp = line["timestamp"].as_str().unwrap();
    assert!(stamp.ends_with('Z') && time::parse(stamp).is_some(), "{stamp}");
    assert!(line["duration_ms"].as_f64().is_some_and(|took| took >= 0.0), "{line}");
    assert!(!line["message"].as_str().unwrap().is_empty());
}

/// A phone that is registered as extension 200.
async fn phone(platform: &Platform) -> (Phone, Value) {
    let body = json!({"extension": "200", "password": PASSWORD, "name": "200", "detail": ""});
    let extension = post(platform, "extensions", &[], body).await;
    let first = free_block();
    let settings = voice::Settings { rtp_ports: first..=first + 99, ..voice::Settings::default() };
    let phone = Phone::start(settings).await.unwrap();
    let account = Account {
        server: platform.node.voice.local().udp,
        transport: Transport::Udp,
        user: "200".into(),
        domain: format!("{}.registrar.branchline.local", platform.welcome.customer_id),
        password: PASSWORD.into(),
    };
    phone.register(account).await.unwrap();
    (phone, extension["id"].clone())
}

async fn rings(phone: &Phone) -> LegId {
    loop {
        if let PhoneEvent::Rings { leg, .. } = phone.event().await.expect("the phone runs") {
            return leg;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_request_has_its_id_on_every_node_and_no_secret() {
    let paper = Paper::default();
    let copy = paper.clone();
    let loud = "info,cluster=debug,gateway=debug,actors=debug";
    logs::start_to(move || copy.clone(), (loud, Format::Json), "n1", None).unwrap();
    let pair = Pair::start().await;
    let customer = json!(pair.near.welcome.customer_id);

    post(&pair.near, "tags", &[("x-request-id", "over-there")], json!({"name": "vip"})).await;
    let of = |service: &'static str, message: &'static str, id: &'static str| {
        move |line: &Value| {
            line["service"] == service && line["message"] == message && line["correlation_id"] == id
        }
    };
    let known = |service: &str, level: &str, id: &str| {
        json!({"service": service, "level": level, "instance": "n1", "correlation_id": id,
               "customer_id": customer})
    };
    let line = paper.line("the gateway", of("gateway", "request served", "over-there")).await;
    check(&line, known("gateway", "debug", "over-there"));
    let line = paper.line("the other node", of("tag-manager", "request answered", "over-there")).await;
    check(&line, known("tag-manager", "debug", "over-there"));
    assert_eq!((&line["from"], &line["uri"]), (&json!("near"), &json!("/v1/tags")), "over the bus: {line}");

    let (phone, extension) = phone(&pair.near).await;
    let to = json!([{"type": "extension", "target": extension}]);
    let body = json!({"source": {"type": "tel", "target": "+15550100"}, "destinations": to, "actions": []});
    post(&pair.near, "calls", &[("x-request-id", "a-call")], body).await;
    let leg = timeout(PATIENCE, rings(&phone)).await.expect("it rings");
    phone.hangup(leg, CAUSE_NORMAL).await.unwrap();
    let line = paper.line("the call", of("call-manager", "call ended", "a-call")).await;
    check(&line, known("call-manager", "info", "a-call"));
    assert!(line["call_id"].as_str().is_some_and(|id| id.parse::<uuid::Uuid>().is_ok()), "{line}");

    let (key, secret) = (pair.near.welcome.accesskey.clone(), pair.near.welcome.password.clone());
    pair.stop().await;
    let text = paper.text();
    for secret in [key.as_str(), secret.as_str(), PASSWORD] {
        assert!(!text.contains(secret), "a secret is in the log");
    }
}
