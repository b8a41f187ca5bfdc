//! Messages that an operator delays or drops: what users hear, and what the operator is told of it.

use actors::kernel::DEAD_EVENT;
use proto::admin::v1::{self as m, Fault, FaultReport};
use protocol::ports::Filter;
use protocol::{Page, Scope};
use serde_json::json;
use tokio::time::{Duration, Instant};
use tonic::{Code, Streaming};

use super::{Client, becomes, client, platform, soon};
use crate::calls::rings;
use crate::market::{CALLED, Market, switch, to};

const POOL: &str = "tag-manager/pool";

fn drops(path: &str, count: u32, seconds: u32) -> m::HinderActorRequest {
    m::HinderActorRequest {
        path: path.into(),
        fault: Fault::Drop.into(),
        count,
        seconds,
        ..Default::default()
    }
}

fn delays(path: &str, delay_ms: u32, seconds: u32) -> m::HinderActorRequest {
    m::HinderActorRequest {
        path: path.into(),
        fault: Fault::Delay.into(),
        delay_ms,
        seconds,
        ..Default::default()
    }
}

/// Has it done; the stream, after what was accepted.
async fn hinder(admin: &mut Client, asked: m::HinderActorRequest) -> Streaming<m::HinderActorResponse> {
    let mut reports = admin.hinder_actor(asked).await.unwrap().into_inner();
    let accepted = soon(reports.message()).await.unwrap().unwrap().report.unwrap();
    assert!(!accepted.has_ended && !accepted.until.is_empty(), "{accepted:?}");
    reports
}

/// The last report, after which the stream is over.
async fn ends(mut reports: Streaming<m::HinderActorResponse>) -> FaultReport {
    let reading = async {
        loop {
            let report = reports.message().await.unwrap().expect("it says how it ended").report.unwrap();
            if report.has_ended {
                assert!(reports.message().await.unwrap().is_none());
                return report;
            }
        }
    };
    soon(reading).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_requests_are_refused_at_once_and_counted() {
    let platform = platform().await;
    let mut admin = client(&platform.node).await;
    let reports = hinder(&mut admin, drops(POOL, 2, 0)).await;
    for _ in 0..2 {
        let (status, said) = platform.post("tags", json!({"name": "dropped"})).await;
        assert_eq!((status, &said["error"]["status"]), (503, &json!("UNAVAILABLE")), "{said}");
    }
    platform.made("tags", json!({"name": "kept"})).await;
    let done = ends(reports).await;
    assert_eq!((done.dropped, done.requests_failed, done.events_late, done.delayed), (2, 2, 0, 0));
    assert_eq!(done.effect, "2 messages dropped, 2 requests failed");
    let (_, list) = platform.get("tags").await;
    assert_eq!(list["result"].as_array().unwrap().len(), 1, "nothing was begun: {list}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_event_comes_again_and_is_no_dead_letter() {
    let platform = platform().await;
    let mut admin = client(&platform.node).await;
    let (customer, key) = platform.another_customer("dropped@example.com").await;
    let (_, tag) = platform.send_as(&key, "POST", "v1.0/tags", json!({"name": "theirs"})).await;
    let tag = tag["id"].as_str().unwrap().parse().unwrap();
    let reports = hinder(&mut admin, drops(POOL, 3, 0)).await;
    let operator = platform.operator().await;
    let (status, said) =
        platform.send_as(&operator, "DELETE", &format!("v1.0/customers/{customer}"), json!({})).await;
    assert_eq!(status, 200, "{said}");
    let done = ends(reports).await;
    assert_eq!((done.dropped, done.events_late, done.requests_failed), (3, 3, 0));
    let store = &platform.node.deps.store;
    let scope = Scope::Customer(customer.parse().unwrap());
    let tags = actors::resources().into_iter().find(|resource| resource.name == "tag").unwrap();
    let gone = async { while store.get(tags, scope, tag).await.unwrap().is_some() {} };
    soon(gone).await;
    let page = Page::of(10, None);
    let dead = store.list(&DEAD_EVENT, Scope::Platform, &Filter::default(), &page).await.unwrap();
    assert!(dead.is_empty(), "{dead:?}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_is_seen_in_the_tree_and_lifted() {
    let platform = platform().await;
    let mut admin = client(&platform.node).await;
    let reports = hinder(&mut admin, delays(POOL, 300, 300)).await;
    let place = m::ReadTreeRequest { path: POOL.into(), ..Default::default() };
    becomes(&mut admin, place.clone(), |pool| pool.fault.starts_with("messages delayed by 300 ms for "))
        .await;
    let since = Instant::now();
    platform.made("tags", json!({"name": "late"})).await;
    assert!(since.elapsed() >= Duration::from_millis(300));
    let second = admin.hinder_actor(drops(POOL, 1, 1)).await.unwrap_err();
    assert_eq!(second.code(), Code::FailedPrecondition, "{second}");
    let lift = m::LiftFaultRequest { path: POOL.into(), node: "it".into() };
    let lifted = admin.lift_fault(lift.clone()).await.unwrap().into_inner().report.unwrap();
    assert_eq!((lifted.has_ended, lifted.delayed, lifted.dropped), (true, 1, 0), "{}", lifted.effect);
    assert_eq!(ends(reports).await.effect, "1 message taken late");
    becomes(&mut admin, place, |pool| pool.fault.is_empty()).await;
    let nothing = m::LiftFaultRequest { path: "call-manager/calls".into(), ..lift };
    assert_eq!(admin.lift_fault(nothing).await.unwrap_err().code(), Code::NotFound);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_bound_or_no_mailbox_is_refused() {
    let platform = platform().await;
    let mut admin = client(&platform.node).await;
    for (wrong, code) in [
        (drops(POOL, 0, 0), Code::InvalidArgument),
        (drops(POOL, 1001, 0), Code::InvalidArgument),
        (drops(POOL, 1, 61), Code::InvalidArgument),
        (delays(POOL, 0, 1), Code::InvalidArgument),
        (delays(POOL, 10_001, 1), Code::InvalidArgument),
        (delays(POOL, 1, 0), Code::InvalidArgument),
        (m::HinderActorRequest { count: 1, ..delays(POOL, 1, 1) }, Code::InvalidArgument),
        (m::HinderActorRequest { delay_ms: 1, ..drops(POOL, 1, 1) }, Code::InvalidArgument),
        (m::HinderActorRequest { fault: 0, ..drops(POOL, 1, 1) }, Code::InvalidArgument),
        (drops("tag-manager", 1, 1), Code::InvalidArgument),
        (drops("outbox", 1, 1), Code::InvalidArgument),
        (drops("call-manager/calls/0190f3a0-0000-7000-8000-000000000001", 1, 1), Code::NotFound),
        (drops("nothing/here", 1, 1), Code::NotFound),
        (m::HinderActorRequest { node: "nobody".into(), ..drops(POOL, 1, 1) }, Code::NotFound),
    ] {
        let refused = admin.hinder_actor(wrong.clone()).await.unwrap_err();
        assert_eq!(refused.code(), code, "{wrong:?}: {refused}");
    }
    platform.made("tags", json!({"name": "unhindered"})).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_messages_are_dropped_still_ends_when_its_leg_does() {
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
    let reports = hinder(&mut admin, drops(&format!("call-manager/calls/{id}"), 1000, 60)).await;
    let (status, said) = platform.post(&format!("calls/{id}/hangup"), json!({})).await;
    assert_eq!((status, &said["error"]["status"]), (503, &json!("UNAVAILABLE")), "{said}");
    switch.hangup(leg, protocol::ports::voice::CAUSE_NORMAL).await.unwrap();
    platform.becomes(&format!("calls/{id}"), |row| row["status"] == "hangup").await;
    let lift = m::LiftFaultRequest { path: "call-manager/calls".into(), ..Default::default() };
    admin.lift_fault(lift).await.unwrap();
    let done = ends(reports).await;
    assert!(done.requests_failed >= 1 && done.dropped >= done.requests_failed, "{done:?}");
    switch.stop().await;
    platform.stop().await;
}
