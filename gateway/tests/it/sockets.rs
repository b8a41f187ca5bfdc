//! The WebSocket: whose topics one may hear, and what arrives.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper_tungstenite::WebSocketStream;
use hyper_tungstenite::tungstenite::Message;
use hyper_tungstenite::tungstenite::protocol::Role;
use hyper_util::rt::TokioIo;
use protocol::Event;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use crate::domain::AGENT;
use crate::world::{Customer, World};

/// A client, and the task that moves its bytes.
struct Socket {
    frames: WebSocketStream<TokioIo<Upgraded>>,
    _driver: JoinSet<()>,
}

async fn open(world: &World, query: &str) -> Socket {
    let (io, driver) = upgraded(world, query).await;
    Socket { frames: WebSocketStream::from_raw_socket(io, Role::Client, None).await, _driver: driver }
}

async fn upgraded(world: &World, query: &str) -> (TokioIo<Upgraded>, JoinSet<()>) {
    let stream = TcpStream::connect(world.address()).await.expect("a connection");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("http1");
    let mut driver = JoinSet::new();
    driver.spawn(async move { connection.with_upgrades().await.expect("a connection") });
    let request = Request::get(format!("/v1.0/ws?{query}"))
        .header("host", "localhost")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.expect("an answer");
    assert_eq!(answer.status(), 101);
    (TokioIo::new(hyper::upgrade::on(answer).await.expect("an upgrade")), driver)
}

/// Sends an order; the pong that follows says that it was read.
async fn order(socket: &mut Socket, kind: &str, topics: &[String]) {
    let text = json!({"type": kind, "topics": topics}).to_string();
    let _ = socket.frames.send(Message::Text(text.into())).await;
    let _ = socket.frames.send(Message::Ping(Bytes::from_static(b"read?"))).await;
    while let Ok(Some(Ok(message))) = timeout(Duration::from_secs(5), socket.frames.next()).await {
        if message == Message::Pong(Bytes::from_static(b"read?")) {
            return;
        }
    }
}

async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        match timeout(Duration::from_secs(5), socket.frames.next()).await.expect("a frame in time")? {
            Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

fn publish(world: &World, r#type: &str, of: &Customer, data: Value) {
    let Value::Object(mut data) = data else { panic!("a row is an object") };
    data.insert("customer_id".into(), json!(of.id));
    let event = Event {
        r#type: r#type.into(),
        publisher: "call-manager".into(),
        data_type: "application/json".into(),
        data: data.into(),
        id: Uuid::now_v7(),
        time: String::new(),
        resource: "call".into(),
        about: uuid::Uuid::nil(),
        request_id: String::new(),
    };
    world.events.send(Arc::new(event)).expect("the hub watches");
}

#[tokio::test]
async fn events_are_watched_while_there_is_a_socket_and_from_its_opening_on() {
    let world = World::new().await;
    assert_eq!(world.events.receiver_count(), 0, "nobody is there");
    let socket = open(&world, &format!("accesskey={}", world.key)).await;
    assert_eq!(world.events.receiver_count(), 1);
    drop(socket);
    world.end().await;
}

#[tokio::test]
async fn an_event_arrives_once_and_only_for_its_customer() {
    let world = World::new().await;
    let mut ours = open(&world, &format!("accesskey={}", world.key)).await;
    let mut theirs = open(&world, &format!("accesskey={}", world.theirs.key)).await;
    let own = format!("customer_id:{}", world.id);
    order(&mut ours, "subscribe", &[own.clone(), format!("{own}:call")]).await;
    order(&mut theirs, "subscribe", &[format!("customer_id:{}", world.theirs.id)]).await;
    publish(
        &world,
        "call_hangup",
        &world.ours,
        json!({"id": world.call, "channel": "inside", "status": "1"}),
    );
    publish(&world, "confbridge_created", &world.ours, json!({"id": world.call, "status": "2"}));
    publish(&world, "call_hangup", &world.theirs, json!({"id": world.theirs.call, "status": "3"}));
    publish(&world, "call_hangup", &world.ours, json!({"id": world.call, "status": "4"}));
    let frame = next(&mut ours).await.expect("a frame");
    assert_eq!(frame, json!({"id": world.call, "customer_id": world.id, "status": "1"}));
    assert_eq!(next(&mut ours).await.expect("a frame")["status"], "4");
    assert_eq!(next(&mut theirs).await.expect("a frame")["status"], "3");
    drop((ours, theirs));
    world.end().await;
}

#[tokio::test]
async fn a_subscription_is_a_prefix_and_ends() {
    let world = World::new().await;
    let mut socket = open(&world, &format!("token={}", world.token(&world.ours, world.agent))).await;
    let mine = format!("agent_id:{}:call", world.agent);
    order(&mut socket, "subscribe", std::slice::from_ref(&mine)).await;
    let by = |status: &str, owner: Uuid| json!({"id": world.call, "owner_id": owner, "status": status});
    publish(&world, "call_ringing", &world.ours, by("1", world.manager));
    publish(&world, "call_ringing", &world.ours, by("2", world.agent));
    assert_eq!(next(&mut socket).await.expect("a frame")["status"], "2");
    order(&mut socket, "unsubscribe", &[mine]).await;
    publish(&world, "call_ringing", &world.ours, by("3", world.agent));
    order(&mut socket, "subscribe", &[format!("agent_id:{}:call:call_hangup", world.agent)]).await;
    publish(&world, "call_hangup", &world.ours, by("4", world.agent));
    let frame = next(&mut socket).await.expect("a frame");
    assert_eq!(frame["status"], "4");
    drop(socket);
    world.end().await;
}

#[tokio::test]
async fn a_topic_of_another_ends_the_socket() {
    let world = World::new().await;
    let admin = format!("token={}", world.token(&world.ours, world.admin));
    let agent = format!("token={}", world.token(&world.ours, world.agent));
    let theirs = format!("customer_id:{}", world.theirs.id);
    let ours = format!("customer_id:{}", world.id);
    let refused = [
        (&admin, theirs.as_str()),
        (&admin, "customer_id"),
        (&admin, "customer_id:"),
        (&admin, "everything:*"),
        (&admin, &ours[..ours.len() - 1]),
        (&agent, &ours),
        (&agent, &format!("agent_id:{}", world.admin)),
    ];
    for (who, topic) in refused {
        let mut socket = open(&world, who).await;
        order(&mut socket, "subscribe", &[ours.clone(), topic.to_owned()]).await;
        assert_eq!(next(&mut socket).await, None, "{topic}");
    }
    let mut socket = open(&world, &admin).await;
    socket.frames.send(Message::Binary(Bytes::from_static(b"x"))).await.expect("sent");
    assert_eq!(next(&mut socket).await, None);
    let operator = format!("token={}", world.token(&world.ours, world.operator));
    let mut socket = open(&world, &operator).await;
    order(&mut socket, "subscribe", &[theirs]).await;
    publish(&world, "call_hangup", &world.theirs, json!({"id": world.theirs.call}));
    assert!(next(&mut socket).await.is_some());
    drop(socket);
    world.end().await;
}

#[tokio::test]
async fn nonsense_is_ignored() {
    let world = World::new().await;
    let mut socket = open(&world, &format!("accesskey={}", world.key)).await;
    socket.frames.send(Message::Text("{".into())).await.expect("sent");
    order(&mut socket, "publish", &["x".to_owned()]).await;
    order(&mut socket, "subscribe", &[format!("customer_id:{}", world.id)]).await;
    publish(&world, "call_hangup", &world.ours, json!({"id": world.call}));
    assert!(next(&mut socket).await.is_some());
    drop(socket);
    world.end().await;
}

#[tokio::test]
async fn a_slow_reader_is_cut() {
    let world = World::new().await;
    let mut socket = open(&world, &format!("accesskey={}", world.key)).await;
    order(&mut socket, "subscribe", &[format!("customer_id:{}", world.id)]).await;
    let large = "x".repeat(300_000);
    // one at a time, so that the bus itself loses none
    for _ in 0..200 {
        publish(&world, "call_hangup", &world.ours, json!({"id": world.call, "status": large}));
        let taken = async {
            while !world.events.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(5), taken).await.expect("the hub takes events");
    }
    let mut frames = 0;
    while next(&mut socket).await.is_some() {
        frames += 1;
    }
    assert!(frames < 200, "{frames}");
    world.end().await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_cut() {
    let world = World::with(|settings| {
        settings.ping = Duration::from_millis(50);
        settings.silence = Duration::from_millis(200);
    })
    .await;
    let (mut silent, _driver) = upgraded(&world, &format!("accesskey={}", world.key)).await;
    let mut answering = open(&world, &format!("accesskey={}", world.key)).await;
    let mut pings = Vec::new();
    // the other one reads, and so answers, all the while
    let silence = timeout(Duration::from_secs(4), silent.read_to_end(&mut pings));
    let ended = tokio::select! {
        ended = silence => ended,
        message = next(&mut answering) => panic!("{message:?}"),
    };
    ended.expect("cut in time").expect("an end");
    assert!(pings.starts_with(&[0x89, 0]), "{pings:?}");
    order(&mut answering, "subscribe", &[]).await;
    drop(answering);
    world.end().await;
}

#[tokio::test]
async fn a_revoked_credential_ends_its_sockets() {
    let world = World::with(|settings| settings.ping = Duration::from_millis(50)).await;
    let mut socket = open(&world, &format!("token={}", world.token(&world.ours, world.admin))).await;
    let mut other = open(&world, &format!("token={}", world.token(&world.ours, world.manager))).await;
    order(&mut socket, "subscribe", &[]).await;
    order(&mut other, "subscribe", &[format!("customer_id:{}", world.id)]).await;
    world.domain.set(&AGENT, world.admin, "tm_delete", json!("2026-01-01T00:00:00.000000Z"));
    world.domain.set(&AGENT, world.manager, "permission", json!(16));
    let (socket, other) = tokio::join!(next(&mut socket), next(&mut other));
    assert_eq!((socket, other), (None, None));
    world.end().await;
}

#[tokio::test]
async fn a_socket_needs_an_upgrade_and_a_credential() {
    let world = World::new().await;
    world.call_with("GET /v1.0/ws", "", "").await.refused(401, "AUTHENTICATION_REQUIRED");
    let answer = world.get("/v1.0/service_agents/ws").await.expect(400);
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    world.end().await;
}

#[tokio::test]
async fn sockets_are_closed_when_the_server_stops() {
    let world = World::new().await;
    let mut socket = open(&world, &format!("accesskey={}", world.key)).await;
    let stop = world.server.stop(Duration::from_secs(5));
    let (closed, ()) = tokio::join!(next(&mut socket), stop);
    assert_eq!(closed, None);
}
