//! The port itself: limits, CORS, slow clients, and an orderly end.

use std::sync::atomic::Ordering;

use gateway::{Check, Rate, Settings};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::world::World;

/// Polls until it holds, for at most ten seconds.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came true");
}

#[tokio::test]
async fn an_address_is_limited() {
    let world = World::with(|settings| settings.limits.v1 = Rate::new(0.01, 2)).await;
    for _ in 0..2 {
        world.get("/v1.0/calls").await.expect(200);
    }
    let refused = world.call_with("GET /v1.0/calls", "", "").await;
    assert_eq!(refused.header("retry-after"), "100");
    assert_eq!(refused.json()["error"]["details"], json!([{"limited_by": "ip"}]));
    assert_eq!(refused.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    refused.refused(429, "RATE_LIMIT_EXCEEDED");
    world.call_with("GET /ping", "", "").await.expect(200);
    world.end().await;
}

#[tokio::test]
async fn an_address_is_taken_from_a_trusted_proxy_only() {
    let limited = |settings: &mut Settings| settings.limits.v1 = Rate::new(0.01, 1);
    let from = async |world: &World, address: &str| {
        let mut request = world.request("GET /v1.0/calls", &world.key, "");
        request.headers_mut().insert("cf-connecting-ip", address.parse().unwrap());
        world.send(request).await.code.as_u16()
    };
    let world = World::with(limited).await;
    assert_eq!((from(&world, "10.0.0.1").await, from(&world, "10.0.0.2").await), (200, 429));
    world.end().await;
    let world = World::with(|settings| {
        limited(settings);
        settings.client_address_header = Some(http::HeaderName::from_static("cf-connecting-ip"));
    })
    .await;
    assert_eq!((from(&world, "10.0.0.1").await, from(&world, "10.0.0.2").await), (200, 200));
    assert_eq!(from(&world, "10.0.0.1").await, 429);
    world.end().await;
}

#[tokio::test]
async fn a_customer_is_limited_whoever_calls_for_it() {
    let world = World::with(|settings| settings.limits.customer = Rate::new(0.01, 2)).await;
    let admin = world.token(&world.ours, world.admin);
    world.get("/v1.0/calls").await.expect(200);
    world.call_with("GET /v1.0/calls", &admin, "").await.expect(200);
    let refused = world.get("/v1.0/calls").await.refused(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.json()["error"]["details"], json!([{"limited_by": "customer"}]));
    world.call_with("GET /v1.0/calls", &world.theirs.key, "").await.expect(200);
    world.end().await;
}

#[tokio::test]
async fn without_the_cache_a_node_counts_by_itself() {
    let world = World::with(|settings| settings.limits.customer = Rate::new(0.01, 2)).await;
    world.get("/v1.0/calls").await.expect(200);
    world.cache.is_down.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        world.get("/v1.0/calls").await.expect(200);
    }
    let refused = world.get("/v1.0/calls").await.refused(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.json()["error"]["details"], json!([{"limited_by": "customer"}]));
    world.call_with("GET /v1.0/calls", &world.theirs.key, "").await.expect(200);
    world.cache.is_down.store(false, Ordering::SeqCst);
    // the second that it was left alone is over: the shared count goes on where it was
    let until = Instant::now() + Duration::from_secs(5);
    while world.get("/v1.0/calls").await.code.as_u16() != 200 {
        assert!(Instant::now() < until, "the cache is never asked again");
        sleep(Duration::from_millis(10)).await;
    }
    world.get("/v1.0/calls").await.refused(429, "RATE_LIMIT_EXCEEDED");
    world.end().await;
}

#[tokio::test]
async fn a_cache_that_hangs_costs_one_request_a_moment() {
    let world = World::with(|settings| {
        settings.limits.customer = Rate::new(1000.0, 1000);
        settings.limits.patience = Duration::from_millis(300);
    })
    .await;
    world.cache.is_hung.store(true, Ordering::SeqCst);
    let since = Instant::now();
    for _ in 0..50 {
        world.get("/v1.0/calls").await.expect(200);
    }
    let (asked, seconds) = (world.cache.asked.load(Ordering::SeqCst), since.elapsed().as_secs());
    assert!(asked <= 1 + usize::try_from(seconds).unwrap(), "asked {asked} times in {seconds} s");
    world.end().await;
}

#[tokio::test]
async fn browsers_of_any_origin_may_call() {
    let world = World::new().await;
    let mut request = world.request("OPTIONS /v1.0/anything", "", "");
    request.headers_mut().insert("origin", "https://example.com".parse().unwrap());
    let preflight = world.send(request).await.expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert_eq!(preflight.header("access-control-max-age"), "43200");
    assert!(preflight.header("access-control-allow-methods").contains("PUT"));
    assert!(preflight.header("access-control-allow-headers").contains("Authorization"));
    assert!(preflight.header("access-control-allow-headers").contains("Idempotency-Key"));
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    let mut request = world.request("GET /v1.0/calls", "", "");
    request.headers_mut().insert("origin", "https://example.com".parse().unwrap());
    let refused = world.send(request).await.expect(401);
    assert_eq!(refused.header("access-control-allow-origin"), "*");
    assert_eq!(refused.header("access-control-expose-headers"), "Content-Length,Idempotency-Replayed");
    world.call_with("OPTIONS /v1.0/calls", "", "").await.refused(404, "ROUTE_NOT_FOUND");
    world.end().await;
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let world = World::new().await;
    let answer = world.call_with("GET /v1.0/calls", "", "").await;
    assert_eq!(
        (answer.header("x-request-id"), &answer.json()["error"]["request_id"]),
        ("same", &json!("same"))
    );
    let mut request = world.request("GET /ping", "", "");
    request.headers_mut().insert("x-request-id", "not harmless".parse().unwrap());
    let answer = world.send(request).await.expect(200);
    let id = answer.header("x-request-id");
    assert!(id.starts_with("req_") && id.len() == 30, "{id}");
    assert_eq!(answer.body, r#"{"message":"pong"}"#);
    world.end().await;
}

#[tokio::test]
async fn readiness_names_what_is_wrong() {
    let world = World::new().await;
    for path in ["/health", "/health/live", "/health/ready"] {
        world.call_with(&format!("GET {path}"), "", "").await.expect(200);
    }
    let check = |name: &str, fault: Option<&str>, is_needed| Check {
        name: name.into(),
        fault: fault.map(String::from),
        is_needed,
    };
    let cache = check("cache", Some("away"), false);
    *world.vitals.0.lock().unwrap() = vec![check("store", None, true), cache.clone()];
    let answer = world.call_with("GET /health/ready", "", "").await.expect(200).json();
    assert_eq!(answer, json!({"status": "ready", "checks": {"store": "ok", "cache": "away"}}));
    *world.vitals.0.lock().unwrap() = vec![check("bus", Some("gone"), true), cache];
    let answer = world.call_with("GET /health/ready", "", "").await.expect(503).json();
    assert_eq!(answer["checks"], json!({"bus": "gone", "cache": "away"}));
    world.call_with("GET /health", "", "").await.expect(200);
    assert_eq!(world.call_with("GET /metrics", "", "").await.expect(200).body, "up 1\n");
    world.end().await;
}

/// Sends `opening` and nothing more, and waits for the end of the connection.
async fn is_cut(world: &World, opening: &[u8]) -> bool {
    let mut stream = TcpStream::connect(world.address()).await.expect("a connection");
    stream.write_all(opening).await.expect("sent");
    let mut rest = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn slow_clients_are_cut() {
    let world = World::with(|settings| {
        settings.header_timeout = Duration::from_millis(200);
        settings.body_timeout = Duration::from_millis(200);
    })
    .await;
    for opening in [
        "",
        "GET /ping HTTP/1.1\r\nhost: x\r\n",
        "PRI * HTTP/2.0\r\n",
        "GET /ping HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        assert!(is_cut(&world, opening.as_bytes()).await, "{opening:?}");
    }
    let line = format!(
        "POST /v1.0/flows?accesskey={} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{{",
        world.key
    );
    let mut stream = TcpStream::connect(world.address()).await.expect("a connection");
    stream.write_all(line.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    timeout(Duration::from_secs(5), stream.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 503");
    drop(stream);
    world.end().await;
}

#[tokio::test]
async fn a_node_that_starts_says_so() {
    let mut world = World::new().await;
    world.server.stop(Duration::from_secs(5)).await;
    world.parts.catalog = std::sync::Arc::default();
    world.server = crate::world::serve(&world.parts, |_| {}).await;
    let answer = world.get("/v1.0/calls").await;
    assert_eq!(answer.header("retry-after"), "1");
    answer.refused(503, "SERVICE_UNAVAILABLE");
    world.call_with("GET /ping", "", "").await.expect(200);
    world.end().await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let world = World::with(|settings| settings.connections = 1).await;
    let mut first = TcpStream::connect(world.address()).await.expect("a connection");
    first.write_all(b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.expect("an answer");
    assert!(is_cut(&world, b"").await);
    drop(first);
    world.end().await;
}

#[tokio::test]
async fn http2_is_spoken_in_cleartext() {
    let world = World::new().await;
    let stream = TcpStream::connect(world.address()).await.expect("a connection");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("http2");
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let uri = format!("http://{}/v1.0/calls/{}", world.address(), world.call);
    let request = Request::get(uri).header("authorization", format!("Bearer {}", world.key));
    let answer =
        sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(!answer.into_body().collect().await.expect("a body").to_bytes().is_empty());
    drop(sender);
    world.end().await;
    assert!(driver.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_end() {
    let world = World::new().await;
    world.domain.holds_hangup.store(true, Ordering::SeqCst);
    let line = format!("POST /v1.0/calls/{}/hangup", world.call);
    let address = world.address();
    let hangup = world.call_with(&line, &world.key, "");
    let stop = async {
        world.domain.arrived.notified().await;
        let stop = world.server.stop(Duration::from_secs(10));
        let refuse = async {
            eventually(async || TcpStream::connect(address).await.is_err()).await;
            world.domain.go_on.notify_one();
        };
        tokio::join!(stop, refuse);
    };
    let (answer, ()) =
        timeout(Duration::from_secs(10), async { tokio::join!(hangup, stop) }).await.expect("in time");
    assert_eq!(answer.expect(200).json()["status"], "terminating");
}

#[tokio::test]
async fn what_does_not_finish_is_cut_at_the_deadline() {
    let world = World::new().await;
    world.domain.holds_hangup.store(true, Ordering::SeqCst);
    let mut stream = TcpStream::connect(world.address()).await.expect("a connection");
    let line =
        format!("POST /v1.0/calls/{}/hangup?accesskey={} HTTP/1.1\r\nhost: x\r\n\r\n", world.call, world.key);
    stream.write_all(line.as_bytes()).await.expect("sent");
    world.domain.arrived.notified().await;
    world.server.stop(Duration::from_millis(100)).await;
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.expect("an end");
    assert!(read.is_err() || rest.is_empty(), "{rest:?}");
}
