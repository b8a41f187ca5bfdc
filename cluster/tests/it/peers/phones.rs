//! baresip as an ordinary telephone: it registers, is called, calls an extension and a number, presses a key,
//! and either side hangs up.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use cluster::bus::memory::Broker;
use cluster::{Node, Plan};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Duration;

use super::baresip::{Baresip, VOICE};
use super::carriers::number_with_flow;
use super::desk::Desk;
use super::network::Network;
use super::{OWN, all_over, call, extension, installed, realm, sound};
use crate::mariadb::MariaDb;
use crate::platform::{HERE, Platform, free_port, plan};

const TONE: u16 = 440;

/// Everything that baresip needs, where it is.
fn network() -> Option<Network> {
    installed(&["baresip", "ip"]).then(Network::new).flatten()
}

/// A web server that has one tone; it is there as long as its tasks are.
async fn tone_server() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind((HERE, free_port())).await.expect("a free port");
    let (at, mut tasks) = (listener.local_addr().expect("it is bound"), JoinSet::new());
    let tone = Bytes::from(sound::wav(TONE, 2));
    tasks.spawn(async move {
        let mut served = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let tone = tone.clone();
            served.spawn(async move {
                let service = service_fn(move |_| {
                    let tone = tone.clone();
                    async move { Ok::<_, Infallible>(hyper::Response::new(Full::new(tone))) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (at, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_is_called_by_the_api_and_hears_what_the_flow_plays() {
    let Some(network) = network() else { return };
    let platform = Platform::with(|plan| network.serve(plan)).await;
    let own = extension(&platform, "100").await;
    let mut phone = Baresip::registered(&platform, &network, "100").await;
    let (server, _serving) = tone_server().await;
    let play = json!({"stream_urls": [format!("http://{server}/tone.wav")]});
    let actions = json!([{"type": "play", "option": play}, {"type": "hangup"}]);
    let (status, placed) = call(&platform, ("extension", &own), actions).await;
    assert_eq!(status, 200, "{placed}");
    phone.sees("CALL_ESTABLISHED").await;
    phone.recorded(TONE).await;
    phone.sees("CALL_CLOSED").await;
    let calls = all_over(&platform, 1).await;
    assert_eq!((&calls[0]["hangup_by"], &calls[0]["hangup_reason"]), (&json!("local"), &json!("normal")));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_calls_an_extension_and_both_hear_each_other() {
    let Some(network) = network() else { return };
    let platform = Platform::with(|plan| network.serve(plan)).await;
    extension(&platform, "100").await;
    let mut phone = Baresip::registered(&platform, &network, "100").await;
    let desk = Desk::registered(&platform, "200").await;
    let to = format!("sip:200@{}", realm(&platform));
    for baresip_hangs_up in [false, true] {
        phone.does("dial", &to).await;
        let leg = desk.answers().await;
        phone.sees("CALL_ESTABLISHED").await;
        desk.says(leg, TONE).await;
        desk.hears(leg, VOICE).await;
        phone.recorded(TONE).await;
        if baresip_hangs_up {
            phone.does("hangup", "").await;
            desk.is_hung_up(leg).await;
        } else {
            desk.hangs_up(leg).await;
        }
        phone.sees("CALL_CLOSED").await;
    }
    let calls = all_over(&platform, 4).await;
    assert!(calls.iter().all(|call| call["hangup_reason"] == "normal"), "{calls:?}");
    desk.stop().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_calls_a_number_and_its_key_decides_where_the_flow_goes() {
    let Some(network) = network() else { return };
    let platform = Platform::with(|plan| network.serve(plan)).await;
    extension(&platform, "100").await;
    let id = |n: u8| format!("00000000-0000-4000-8000-0000000000{n:02}");
    number_with_flow(
        &platform,
        json!([
            {"id": id(1), "type": "answer"},
            {"id": id(2), "type": "beep"},
            {"id": id(3), "type": "digits_receive", "option": {"duration": 15_000, "length": 1}},
            {"id": id(4), "type": "branch", "option": {"default_target_id": id(6), "target_ids": {"7": id(5)}}},
            {"id": id(5), "type": "sleep", "option": {"duration": 60_000}},
            {"id": id(6), "type": "hangup"},
        ]),
    )
    .await;
    let mut phone = Baresip::registered(&platform, &network, "100").await;
    phone.does("dial", &format!("sip:{OWN}@{}", realm(&platform))).await;
    phone.sees("CALL_ESTABLISHED").await;
    phone.recorded(VOICE).await;
    phone.does("sndcode", "7").await;
    platform.becomes("activeflows", |page| page["result"][0]["current_action"]["type"] == "sleep").await;
    phone.does("hangup", "").await;
    phone.sees("CALL_CLOSED").await;
    let calls = all_over(&platform, 1).await;
    assert_eq!((&calls[0]["direction"], &calls[0]["hangup_by"]), (&json!("incoming"), &json!("remote")));
    platform.becomes("activeflows", |page| page["result"][0]["status"] == "ended").await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_hears_the_flow_go_on_when_its_node_stops_and_another_takes_over() {
    let Some(network) = network() else { return };
    let Some(database) = MariaDb::start().await else { return };
    let (store, broker) = (database.database().await, Broker::default());
    let shared = |plan: &mut Plan| {
        network.serve(plan);
        (plan.store, plan.broker) = (store.clone(), broker.clone());
    };
    let platform = Platform::with(shared).await;
    let own = extension(&platform, "100").await;
    let mut phone = Baresip::registered(&platform, &network, "100").await;
    let mut second = plan(platform.folder.clone());
    shared(&mut second);
    second.settings.node = "second".into();
    let second = Node::start(second).await.unwrap();

    let (server, _serving) = tone_server().await;
    let play = json!({"stream_urls": [format!("http://{server}/tone.wav")]});
    let actions = json!([{"type": "sleep", "option": {"duration": 5_000}}, {"type": "play", "option": play}, {"type": "hangup"}]);
    let (status, placed) = call(&platform, ("extension", &own), actions).await;
    assert_eq!(status, 200, "{placed}");
    phone.sees("CALL_ESTABLISHED").await;
    let api = platform.api().at(second.gateway.as_ref().unwrap().local_addr());
    api.becomes("calls", |page| page["result"][0]["status"] == "progressing").await;
    let Platform { node, folder, .. } = platform;
    node.stop(Duration::ZERO).await;
    phone.recorded(TONE).await;
    phone.sees("CALL_CLOSED").await;
    let page = api.becomes("calls", |page| page["result"][0]["status"] == "hangup").await;
    let call = &page["result"][0];
    assert_eq!((&call["hangup_by"], &call["hangup_reason"]), (&json!("local"), &json!("normal")));
    second.stop(Duration::from_secs(5)).await;
    let _ = std::fs::remove_dir_all(folder);
}
