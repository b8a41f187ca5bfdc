//! Operators at one node: what they see of the whole installation, and what they do to it.

mod browser;
mod hinder;
mod terminal;
mod tls;

use std::collections::BTreeSet;
use std::time::Duration;

use actors::kernel::DEAD_EVENT;
use cluster::Node;
use cluster::bus::memory::{Broker, MemoryBus};
use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::{self as m, Act};
use protocol::ports::voice::CAUSE_NORMAL;
use protocol::ports::{Bus as _, Unit, Write};
use protocol::{Row, sock};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::api::LOOK;
use crate::bus::broker;
use crate::calls::rings;
use crate::mariadb::MariaDb;
use crate::market::{CALLED, Market, switch, to};
use crate::platform::{PATIENCE, Platform, plan};

pub(crate) const TOKEN: &str = "an-admin-token-of-tests";

type Client = AdminClient<InterceptedService<Channel, Bearer>>;

#[derive(Clone)]
struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

async fn client(node: &Node) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{}", node.admin.local_addr())).unwrap();
    let channel = endpoint.timeout(PATIENCE).connect().await.unwrap();
    AdminClient::with_interceptor(channel, Bearer(format!("Bearer {TOKEN}").parse().unwrap()))
}

/// A node whose operators know the token.
async fn platform() -> Platform {
    Platform::with(|plan| plan.admin_token = Some(TOKEN.into())).await
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it happens soon")
}

/// Reads the place again until it is there and as it shall be.
async fn becomes(admin: &mut Client, place: m::ReadTreeRequest, shall: impl Fn(&m::TreeNode) -> bool) {
    let reading = async {
        loop {
            match admin.read_tree(place.clone()).await.map(tonic::Response::into_inner) {
                Ok(m::ReadTreeResponse { root: Some(root) }) if shall(&root) => return,
                _ => sleep(LOOK).await,
            }
        }
    };
    soon(reading).await;
}

fn acts(node: &str, path: &str, act: Act) -> m::ActOnActorRequest {
    m::ActOnActorRequest { path: path.into(), act: act.into(), node: node.into(), rehearse: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_is_seen_from_one_and_one_that_is_silent_is_said_to_be() {
    let Some(database) = MariaDb::start().await else { return };
    let (url, broker) = (database.database().await, Broker::default());
    let near = Platform::with(|plan| {
        (plan.store, plan.broker) = (url.clone(), broker.clone());
        plan.settings.node = "near".into();
        plan.admin_token = Some(TOKEN.into());
    })
    .await;
    let mut beside = plan(near.folder.clone());
    (beside.store, beside.broker) = (url.clone(), broker.clone());
    beside.settings.node = "far".into();
    beside.serve = vec!["tag".into()];
    let far = Node::start(beside).await.unwrap();
    // it says that it lives, and answers nothing
    let silent = persistence::open(&url, "silent", &actors::resources()).await.unwrap();
    silent.renew(&[]).await.unwrap();

    let mut admin = client(&near.node).await;
    let seen = admin.read_cluster(m::ReadClusterRequest {}).await.unwrap().into_inner();
    let states: Vec<_> = seen.nodes.iter().map(|node| (node.name.as_str(), node.state.as_str())).collect();
    assert_eq!(states, [("far", "running"), ("near", "running"), ("silent", "no answer")]);
    assert_eq!(seen.asked, "near");
    assert!(seen.nodes[2].error.contains("no answer from the node silent"), "{}", seen.nodes[2].error);
    let of = |node: &m::Node| node.tree.as_ref().unwrap().children.iter().map(|c| c.name.clone()).collect();
    let (theirs, ours): (BTreeSet<String>, BTreeSet<String>) = (of(&seen.nodes[0]), of(&seen.nodes[1]));
    assert!(theirs.contains("tag-manager") && !theirs.contains("call-manager"), "{theirs:?}");
    assert!(ours.contains("call-manager"), "{ours:?}");

    let done = admin.act_on_actor(acts("far", "tag-manager/pool", Act::Kill)).await.unwrap().into_inner();
    assert!(done.found, "an actor of another node is killed from here");
    let pool = m::ReadTreeRequest { path: "tag-manager/pool".into(), depth: 1, node: "far".into() };
    becomes(&mut admin, pool, |pool| pool.restarts == 1).await;
    let nobody = admin.act_on_actor(acts("nobody", "tag-manager", Act::Kill)).await.unwrap_err();
    assert_eq!(nobody.code(), Code::NotFound, "{nobody}");
    let mute = admin.act_on_actor(acts("silent", "tag-manager", Act::Kill)).await.unwrap_err();
    assert_eq!(mute.code(), Code::Unavailable, "{mute}");
    far.stop(Duration::from_secs(5)).await;
    silent.close().await;
    near.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_answers_a_ping_of_any_other() {
    let broker = Broker::default();
    let shared = broker.clone();
    let platform = Platform::with(|plan| plan.broker = shared).await;
    let ping: sock::Request = serde_json::from_value(
        json!({"uri": "/ping", "method": "GET", "publisher": "other", "data_type": "application/json"}),
    )
    .unwrap();
    let peer = MemoryBus::new(broker.clone());
    let answer = peer.ask(&sock::admin_queue("it"), ping.clone()).await.unwrap();
    assert_eq!((answer.status_code, &answer.data), (200, &json!({"node": "it"})));
    platform.stop().await;
    assert!(peer.ask(&sock::admin_queue("it"), ping).await.is_err(), "nobody is there any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_asked_over_a_real_broker_too() {
    let Some(broker) = broker::shared().await else { return };
    let url = broker.place();
    let bus = url.clone();
    let platform = Platform::with(|plan| plan.bus = bus).await;
    let peer = cluster::bus::open(&url, Broker::default(), "peer").await.unwrap();
    let ask = |uri: &str| -> sock::Request {
        let request = json!({"uri": uri, "method": "GET", "publisher": "peer", "data_type": "application/json",
            "timeout_ms": 5000});
        serde_json::from_value(request).unwrap()
    };
    let pong = peer.ask(&sock::admin_queue("it"), ask("/ping")).await.unwrap();
    assert_eq!((pong.status_code, &pong.data), (200, &json!({"node": "it"})));
    let stand = peer.ask(&sock::admin_queue("it"), ask("/stand")).await.unwrap();
    assert_eq!((stand.status_code, &stand.data["state"]), (200, &json!("running")));
    assert_eq!(peer.ask(&sock::admin_queue("it"), ask("/nonsense")).await.unwrap().status_code, 400);
    let since = Instant::now();
    assert!(peer.ask(&sock::admin_queue("nobody"), ask("/ping")).await.is_err());
    assert!(since.elapsed() < Duration::from_secs(4), "who is not there is known at once");
    platform.stop().await;
}

/// Reads a watch until all of these tags were created, and answers where to go on.
async fn reads(words: &mut tonic::Streaming<m::WatchEventsResponse>, tags: &BTreeSet<String>) -> String {
    let mut left = tags.clone();
    let mut token = String::new();
    let reading = async {
        while !left.is_empty() {
            let word = words.message().await.unwrap().expect("it goes on");
            token = word.resume_token;
            left.remove(&word.event.unwrap_or_default().resource_id);
        }
    };
    soon(reading).await;
    token
}

async fn tags(platform: &Platform, count: usize) -> BTreeSet<String> {
    let mut made = BTreeSet::new();
    for number in 0..count {
        made.insert(platform.made("tags", json!({"name": format!("tag {number}")})).await);
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_watch_that_was_cut_goes_on_and_misses_nothing() {
    let platform = platform().await;
    let mut admin = client(&platform.node).await;
    let asked = m::WatchEventsRequest { event_type: "tag_*".into(), ..m::WatchEventsRequest::default() };
    let mut words = admin.watch_events(asked.clone()).await.unwrap().into_inner();
    let first = soon(words.message()).await.unwrap().unwrap();
    assert!(first.event.is_none() && !first.resume_token.is_empty(), "the token comes before any event");
    let token = reads(&mut words, &tags(&platform, 5).await).await;
    drop(words);
    let unseen = tags(&platform, 150).await;
    let again = m::WatchEventsRequest { resume_token: token, ..asked.clone() };
    let mut words = admin.watch_events(again).await.unwrap().into_inner();
    reads(&mut words, &unseen).await;
    reads(&mut words, &tags(&platform, 3).await).await;

    let list = m::ListEventsRequest { event_type: "tag_created".into(), page_size: 4, ..Default::default() };
    let list = admin.list_events(list).await.unwrap().into_inner();
    assert_eq!(list.events.len(), 4);
    assert!(list.events.is_sorted_by_key(|event| event.time.clone()), "oldest first");
    let wrong = m::WatchEventsRequest { resume_token: "yesterday".into(), ..asked };
    assert_eq!(admin.watch_events(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    platform.stop().await;
}

/// An event that some follower could not take.
async fn dead_letter(platform: &Platform) -> (String, uuid::Uuid) {
    let (id, event) = (uuid::Uuid::now_v7().to_string(), uuid::Uuid::now_v7());
    let row = json!({
        "id": id, "follower": "test/follower", "type": "tag_mended", "error": "it did not fit", "tries": 5, "rev": 1,
        "tm_create": "2026-01-02T03:04:05.000006Z",
        "event": {
            "type": "tag_mended", "publisher": "tag-manager", "data_type": "application/json", "data": {},
            "id": event, "resource": "tag",
        },
    });
    let Value::Object(row) = row else { unreachable!("it is an object") };
    let mut row: Row = row;
    DEAD_EVENT.fill(&mut row);
    let unit =
        Unit { writes: vec![Write::Insert { resource: &DEAD_EVENT, row: row.into() }], ..Unit::default() };
    platform.node.deps.store.commit(unit).await.unwrap();
    (id, event)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_seen_and_published_again() {
    let platform = platform().await;
    let mut admin = client(&platform.node).await;
    let (id, event) = dead_letter(&platform).await;
    dead_letter(&platform).await;
    let list = admin.list_dead_events(m::ListDeadEventsRequest::default()).await.unwrap().into_inner();
    assert_eq!((list.events.len(), list.total), (2, 2));
    let mut heard = platform.node.deps.bus.watch().await.unwrap();
    let one = m::ReplayDeadEventsRequest { id: id.clone(), all: false };
    assert_eq!(admin.replay_dead_events(one.clone()).await.unwrap().into_inner().replayed, 1);
    soon(async { while heard.recv().await.unwrap().id != event {} }).await;
    assert_eq!(admin.replay_dead_events(one).await.unwrap_err().code(), Code::NotFound, "only once");
    let unsaid = m::ReplayDeadEventsRequest::default();
    assert_eq!(admin.replay_dead_events(unsaid).await.unwrap_err().code(), Code::InvalidArgument);
    let all = m::ReplayDeadEventsRequest { id: String::new(), all: true };
    assert_eq!(admin.replay_dead_events(all).await.unwrap().into_inner().replayed, 1);
    let list = admin.list_dead_events(m::ListDeadEventsRequest::default()).await.unwrap().into_inner();
    assert_eq!((list.events.len(), list.total), (0, 0));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_call_is_rebuilt_and_the_operator_hears_so() {
    let platform = platform().await;
    let mut admin = client(&platform.node).await;
    let market =
        Market::open(platform.api().with_key(&platform.operator().await), platform.api().clone()).await;
    let switch = switch().await;
    market.carrier(switch.local().udp, 1).await;
    market.pay(1.0).await;
    let wait = json!([{"type": "sleep", "option": {"duration": 600_000}}]);
    let placed = platform.api().row("calls", to(CALLED, wait)).await;
    let id = placed["calls"][0]["id"].as_str().unwrap().to_owned();
    let leg = rings(&switch).await;
    switch.answer(leg).await.unwrap();
    platform.becomes(&format!("calls/{id}"), |row| row["status"] == "progressing").await;
    let step = async {
        loop {
            let list = admin.list_calls(m::ListCallsRequest::default()).await.unwrap().into_inner();
            if list.calls.iter().any(|call| call.id == id && call.action_type == "sleep") {
                return;
            }
            sleep(LOOK).await;
        }
    };
    soon(step).await;
    let path = format!("call-manager/calls/{id}");
    let rehearsed = m::ActOnActorRequest { rehearse: true, ..acts("", &path, Act::Kill) };
    for asked in [rehearsed, acts("", &path, Act::Kill), acts("", "call-manager/calls", Act::Restart)] {
        let done = admin.act_on_actor(asked.clone()).await.unwrap().into_inner();
        assert_eq!((done.found, done.rebuilt), (true, 1), "{asked:?}: {}", done.effect);
        assert!(done.effect.contains("1 live thing is rebuilt"), "{}", done.effect);
        let whole = m::ReadTreeRequest { path: path.clone(), ..m::ReadTreeRequest::default() };
        becomes(&mut admin, whole, |_| true).await;
    }
    assert_eq!(platform.get(&format!("calls/{id}")).await.1["status"], "progressing");
    switch.hangup(leg, CAUSE_NORMAL).await.unwrap();
    platform.becomes(&format!("calls/{id}"), |row| row["status"] == "hangup").await;
    switch.stop().await;
    platform.stop().await;
}
