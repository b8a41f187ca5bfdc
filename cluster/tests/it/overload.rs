//! What a node does with more than it can do, with what crashes, and with addresses it must not touch.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cluster::outward::Reach;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use protocol::ports::voice::{CAUSE_NORMAL, LegEvent};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::calls::{all_over, ended, hears, phone, realm, rings, sees};
use crate::platform::{HERE, PATIENCE, Platform, free_port};

const BURST: usize = 3000;

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_a_burst_is_answered_and_then_all_is_well() {
    let platform = Platform::start().await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut burst = JoinSet::new();
    for number in 0..BURST {
        let request = http::Request::post(format!("http://{}/v1.0/tags", platform.http))
            .header("authorization", format!("Bearer {}", platform.welcome.accesskey))
            .body(Full::from(json!({"name": format!("tag {number}")}).to_string()))
            .unwrap();
        let client = client.clone();
        burst.spawn(async move { client.request(request).await.unwrap() });
    }
    let (mut stored, mut refused) = (0, 0);
    while let Some(answer) = timeout(3 * PATIENCE, burst.join_next()).await.expect("all are answered") {
        let answer = answer.unwrap();
        match answer.status().as_u16() {
            200 => stored += 1,
            503 | 429 => {
                assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
                refused += 1;
            }
            other => panic!("{other}"),
        }
        answer.into_body().collect().await.unwrap();
    }
    assert_eq!(stored + refused, BURST);
    assert!(stored >= 1000, "{stored} stored: as many as a mailbox holds were accepted");
    let since = Instant::now();
    assert_eq!(platform.post("tags", json!({"name": "after"})).await.0, 200);
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    platform.stop().await;
}

/// Ends the actor of a call as a bug would, and waits for the next one.
async fn crash(platform: &Platform, direction: &str) {
    let (_, page) = platform.get("calls").await;
    let call = page["result"].as_array().unwrap().iter().find(|call| call["direction"] == direction).unwrap();
    let id = call["id"].as_str().unwrap();
    let path = format!("call-manager/calls/{id}");
    let actor = platform.node.tree().find(&path).expect("it lives");
    actor.kill();
    let again = || platform.node.tree().find(&path).is_some_and(|new| new.get_id() != actor.get_id());
    let limit = Instant::now() + PATIENCE;
    while !again() {
        assert!(Instant::now() < limit, "never rebuilt");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(platform.get(&format!("calls/{id}")).await.1["status"], "progressing");
}

/// Two phones talk, the actors of these calls crash, the phones talk on and one hangs up.
async fn talk_through_crashes(of: &[&str], caller_hangs_up: bool) {
    let platform = Platform::start().await;
    let ((alice, _), (bob, _)) = (phone(&platform, "100").await, phone(&platform, "200").await);
    let leg = alice.call(&format!("sip:200@{}", realm(&platform))).await.unwrap();
    let far = rings(&bob).await;
    bob.answer(far).await.unwrap();
    sees(&alice, leg, LegEvent::Answered).await;
    alice.tone(leg, 440).await.unwrap();
    hears(&bob, far, 440).await;
    for direction in of {
        crash(&platform, direction).await;
    }
    bob.tone(far, 1000).await.unwrap();
    alice.tone(leg, 700).await.unwrap();
    hears(&alice, leg, 1000).await;
    hears(&bob, far, 700).await;
    match caller_hangs_up {
        true => {
            alice.hangup(leg, CAUSE_NORMAL).await.unwrap();
            ended(&bob, far).await;
        }
        false => {
            bob.hangup(far, CAUSE_NORMAL).await.unwrap();
            ended(&alice, leg).await;
        }
    }
    let calls = all_over(&platform, 2).await;
    assert!(calls.iter().all(|call| call["hangup_reason"] == "normal"), "{calls:?}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_actors_die_goes_on_until_the_caller_hangs_up() {
    talk_through_crashes(&["incoming", "outgoing"], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_called_side_dies_goes_on_until_that_hangs_up() {
    talk_through_crashes(&["outgoing"], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_calling_side_dies_goes_on_until_the_other_hangs_up() {
    talk_through_crashes(&["incoming"], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_hear_of_their_legs_again_when_what_tells_them_died() {
    let platform = Platform::start().await;
    let ((alice, _), (bob, _)) = (phone(&platform, "100").await, phone(&platform, "200").await);
    let leg = alice.call(&format!("sip:200@{}", realm(&platform))).await.unwrap();
    let far = rings(&bob).await;
    bob.answer(far).await.unwrap();
    sees(&alice, leg, LegEvent::Answered).await;
    platform.node.tree().find("call-manager/reports").expect("it runs").kill();
    alice.hangup(leg, CAUSE_NORMAL).await.unwrap();
    ended(&bob, far).await;
    all_over(&platform, 2).await;
    platform.stop().await;
}

/// Listens where nobody may come, and counts who does.
struct Canary {
    at: SocketAddr,
    touched: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Canary {
    fn start() -> Canary {
        let at = SocketAddr::new(HERE, free_port());
        let (tcp, udp) = (TcpListener::bind(at).unwrap(), UdpSocket::bind(at).unwrap());
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        let (tcp, udp) =
            (tokio::net::TcpListener::from_std(tcp).unwrap(), tokio::net::UdpSocket::from_std(udp).unwrap());
        let touched = Arc::new(AtomicUsize::new(0));
        let (calls, datagrams) = (touched.clone(), touched.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while tcp.accept().await.is_ok() {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        });
        tasks.spawn(async move {
            let mut buffer = [0; 2048];
            while udp.recv_from(&mut buffer).await.is_ok() {
                datagrams.fetch_add(1, Ordering::SeqCst);
            }
        });
        Canary { at, touched, _tasks: tasks }
    }

    fn touched(&self) -> usize {
        self.touched.load(Ordering::SeqCst)
    }

    /// It sings when somebody comes: otherwise its silence would prove nothing.
    async fn sings(&self) {
        let before = self.touched();
        tokio::net::TcpStream::connect(self.at).await.unwrap();
        tokio::net::UdpSocket::bind((HERE, 0)).await.unwrap().send_to(b"x", self.at).await.unwrap();
        let limit = Instant::now() + PATIENCE;
        while self.touched() < before + 2 {
            assert!(Instant::now() < limit, "a deaf canary");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// By address, and by names that resolve to it.
fn hosts(canary: &Canary) -> [String; 3] {
    let port = canary.at.port();
    [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::ffff:127.0.0.1]:{port}")]
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_to_private_addresses_never_leave() {
    let canary = Canary::start();
    let platform = Platform::with(|plan| plan.reach = Reach::Public(Vec::new())).await;
    let mut tried = 0;
    for host in hosts(&canary) {
        let hooks = json!({"webhook_method": "POST", "webhook_uri": format!("http://{host}/hook")});
        let (status, _) = platform.put("customer", hooks).await;
        if status != 200 {
            continue;
        }
        let agent =
            json!({"username": format!("{tried}@example.com"), "password": "a-long-secret", "name": host});
        platform.made("agents", agent).await;
        let refused = |row: &Value| {
            let url = row["url"].as_str().unwrap_or_default();
            url.contains(&host) && row["event_type"] == "agent_created" && row["last_error"] != ""
        };
        let said = |page: &Value| page["result"].as_array().unwrap().iter().any(refused);
        platform.becomes("deliveries", said).await;
        tried += 1;
    }
    assert!(tried >= 1, "at least a name is only known when it is resolved");
    assert_eq!(canary.touched(), 0);
    canary.sings().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_and_calls_reach_no_private_address() {
    let canary = Canary::start();
    let platform = Platform::with(|plan| plan.reach = Reach::Public(Vec::new())).await;
    let (alice, extension) = phone(&platform, "100").await;
    let mut calls = 0;
    for host in hosts(&canary) {
        let url = format!("http://{host}/secret");
        for action in [
            json!({"type": "fetch", "option": {"event_url": url, "event_method": "POST"}}),
            json!({"type": "play", "option": {"stream_urls": [url]}}),
            json!({"type": "webhook_send", "option": {"sync": true, "uri": url, "method": "POST", "data": "{}"}}),
        ] {
            let call = json!({"actions": [action, {"type": "hangup"}], "source": {"type": "tel", "target": "+15550100"},
                "destinations": [{"type": "extension", "target": extension}]});
            let (status, answer) = platform.post("calls", call).await;
            if status != 200 {
                assert_eq!(status, 400, "{answer}");
                continue;
            }
            calls += 1;
            let leg = rings(&alice).await;
            alice.answer(leg).await.unwrap();
            ended(&alice, leg).await;
        }
        let call = json!({"actions": [{"type": "hangup"}], "source": {"type": "tel", "target": "+15550100"},
            "destinations": [{"type": "sip", "target": format!("someone@{host}")}]});
        let (status, answer) = platform.post("calls", call).await;
        calls += usize::from(status == 200);
        assert!(status == 200 || (400..500).contains(&status), "{status} {answer}");
    }
    assert!(calls >= 1, "some of them were tried");
    all_over(&platform, platform.get("calls").await.1["result"].as_array().unwrap().len()).await;
    assert_eq!(canary.touched(), 0);
    canary.sings().await;
    platform.stop().await;
}
