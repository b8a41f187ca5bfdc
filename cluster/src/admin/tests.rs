//! What operators see and do, through a real client.

mod world;

use proto::admin::v1::{
    ActorKind, ActorState, ListCallsRequest, ReadTreeRequest, StopActorRequest, StopMode, WatchCallsRequest,
    WatchCallsResponse, WatchTreeRequest,
};
use tokio::time::{Instant, sleep};
use tonic::{Code, Request};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use uuid::Uuid;

use super::start;
use crate::cli::{self, Operator};
use world::{LOOK, Reflection, SOON, TOKEN, services, shown, soon, with, world};

#[tokio::test]
async fn the_tree_is_read_as_deep_as_asked() {
    let mut world = world().await;
    let root = world.read("", 0).await.expect("a tree");
    assert_eq!(
        (root.name.as_str(), root.kind(), root.state()),
        ("node", ActorKind::Supervisor, ActorState::Running)
    );
    let names: Vec<_> = root.children.iter().map(|child| (child.name.as_str(), child.kind())).collect();
    assert_eq!(names, [("first", ActorKind::Task), ("domain", ActorKind::Supervisor)]);
    assert_eq!(root.children[1].children[0].name, "deep");
    let shallow = world.read("", 1).await.expect("a tree");
    assert!(shallow.children.len() == 2 && shallow.children[1].children.is_empty());
    assert_eq!(world.read("domain/deep", 0).await.expect("a place").name, "deep");
    assert_eq!(world.read("domain/none", 0).await.expect_err("nothing").code(), Code::NotFound);
    world.close().await;
}

#[tokio::test]
async fn nothing_but_health_answers_without_the_token() {
    let mut world = world().await;
    let wrong = shown("0123456789abcdee", ReadTreeRequest::default());
    assert_eq!(world.admin.read_tree(wrong).await.expect_err("refused").code(), Code::Unauthenticated);
    let none = Request::new(StopActorRequest {
        path: "first".to_owned(),
        mode: StopMode::Crash.into(),
        node: String::new(),
    });
    assert_eq!(world.admin.stop_actor(none).await.expect_err("refused").code(), Code::Unauthenticated);
    assert_eq!(world.read("first", 0).await.expect("a place").restarts, 0);
    let mut reflection = Reflection::new(world.channel.clone());
    let asked = tokio_stream::iter([services()]);
    let refused = reflection.server_reflection_info(asked).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut health = HealthClient::new(world.channel.clone());
    let answer = health.check(HealthCheckRequest::default()).await.expect("health").into_inner();
    assert_eq!(answer.status, ServingStatus::Serving as i32);
    let domain = HealthCheckRequest { service: "domain".to_owned() };
    let answer = soon(async {
        loop {
            match health.check(domain.clone()).await {
                Ok(answer) => return answer.into_inner(),
                Err(_) => sleep(LOOK).await,
            }
        }
    });
    assert_eq!(answer.await.status, ServingStatus::Serving as i32);
    world.close().await;
}

#[tokio::test]
async fn reflection_names_the_service() {
    let world = world().await;
    let mut reflection = Reflection::new(world.channel.clone());
    let answer =
        reflection.server_reflection_info(with(tokio_stream::iter([services()]))).await.expect("answers");
    let answer = answer.into_inner().message().await.expect("an answer").expect("one answer");
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("no list")
    };
    assert!(list.service.iter().any(|service| service.name == "branchline.admin.v1.Admin"));
    world.close().await;
}

#[tokio::test]
async fn a_crashed_actor_is_started_again() {
    let mut world = world().await;
    assert!(world.end("domain/deep", StopMode::Crash).await.expect("an answer"));
    let deep =
        world.until("domain/deep", |deep| deep.restarts == 1 && deep.state() == ActorState::Running).await;
    assert_eq!(deep.last_error, "killed");
    assert_eq!(world.read("first", 0).await.expect("a place").restarts, 0);
    world.close().await;
}

#[tokio::test]
async fn a_stopped_actor_has_not_failed() {
    let mut world = world().await;
    assert!(world.end("/first/", StopMode::Stop).await.expect("an answer"));
    let first = world.until("first", |first| first.restarts == 1).await;
    assert_eq!(first.last_error, "");
    world.close().await;
}

#[tokio::test]
async fn what_cannot_be_ended_is_said() {
    let mut world = world().await;
    for nowhere in ["none", "domain/none", "first/below", "", "/"] {
        assert!(!world.end(nowhere, StopMode::Crash).await.expect("an answer"), "{nowhere:?}");
    }
    let unsaid = world.end("first", StopMode::Unspecified).await.expect_err("refused");
    assert_eq!(unsaid.code(), Code::InvalidArgument);
    let above = world.end("domain", StopMode::Stop).await.expect_err("refused");
    assert_eq!(above.code(), Code::FailedPrecondition);
    assert_eq!(world.read("domain", 0).await.expect("a place").restarts, 0);
    world.close().await;
}

#[tokio::test]
async fn a_watch_goes_on_until_the_server_stops() {
    let mut world = world().await;
    let watched = world.admin.watch_tree(with(WatchTreeRequest::default())).await.expect("a watch");
    let mut watched = watched.into_inner();
    for _ in 0..2 {
        let seen = soon(watched.message()).await.expect("goes on").expect("a reading");
        assert_eq!(seen.root.expect("a root").children.len(), 2);
    }
    let asked = WatchTreeRequest { path: "none".to_owned(), ..WatchTreeRequest::default() };
    let mut nothing = world.admin.watch_tree(with(asked)).await.expect("a watch").into_inner();
    assert_eq!(soon(nothing.message()).await.expect_err("ends").code(), Code::NotFound);
    let mut health = HealthClient::new(world.channel.clone());
    let mut probe = health.watch(HealthCheckRequest::default()).await.expect("a watch").into_inner();
    soon(probe.message()).await.expect("goes on").expect("a state");

    let begun = Instant::now();
    world.server.stop(SOON).await;
    assert!(begun.elapsed() < SOON, "watches do not hold up the stop");
    assert_eq!(soon(watched.message()).await.expect_err("ends").code(), Code::Unavailable);
    soon(async { while let Ok(Some(_)) = probe.message().await {} }).await;
    world.tree.stop().await;
    world.store.close().await;
}

#[tokio::test]
async fn live_calls_are_listed_newest_first() {
    let mut world = world().await;
    let (ann, bob) = (Uuid::now_v7(), Uuid::now_v7());
    let old = world.insert(ann, "progressing", 1).await;
    world.insert(ann, "hangup", 2).await;
    let new = world.insert(bob, "ringing", 3).await;
    let mut page = async |customer_id: &str, page_size, page_token: &str| {
        let (customer_id, page_token) = (customer_id.to_owned(), page_token.to_owned());
        let answer =
            world.admin.list_calls(with(ListCallsRequest { customer_id, page_size, page_token })).await;
        answer.map(|answer| {
            let answer = answer.into_inner();
            (answer.calls.iter().map(|call| call.id.clone()).collect::<Vec<_>>(), answer)
        })
    };
    let (ids, answer) = page("", 0, "").await.expect("a page");
    assert_eq!(ids, [new.clone(), old.clone()]);
    let call = &answer.calls[1];
    assert_eq!((call.status.as_str(), call.action_type.as_str()), ("progressing", "talk"));
    assert_eq!(call.source.as_ref().expect("a source").target, "+15551234567");
    assert_eq!((call.since.as_str(), call.destination.as_ref()), ("2026-01-02T03:04:01.000000Z", None));
    assert_eq!(page(&ann.to_string(), 0, "").await.expect("a page").0, std::slice::from_ref(&old));
    let (first, answer) = page("", 1, "").await.expect("a page");
    assert_eq!(first, [new]);
    assert_eq!(page("", 1, &answer.next_page_token).await.expect("a page").0, [old]);
    assert_eq!(page("nobody", 0, "").await.expect_err("refused").code(), Code::InvalidArgument);
    assert_eq!(page("", 0, "yesterday").await.expect_err("refused").code(), Code::InvalidArgument);
    world.close().await;
}

#[tokio::test]
async fn changes_of_calls_are_told() {
    let mut world = world().await;
    let (ann, bob, id) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let asked = WatchCallsRequest { customer_id: ann.to_string() };
    let mut changes = world.admin.watch_calls(with(asked)).await.expect("a watch").into_inner();
    world.publish("tag", ann, Uuid::now_v7()).await;
    world.publish("call", bob, Uuid::now_v7()).await;
    world.publish("call", ann, id).await;
    let told = soon(changes.message()).await.expect("goes on").expect("a change");
    let expected = WatchCallsResponse {
        id: id.to_string(),
        customer_id: ann.to_string(),
        event_type: "call_ringing".to_owned(),
        status: "ringing".to_owned(),
        time: "2026-01-02T03:04:05.000006Z".to_owned(),
        missed: 0,
    };
    assert_eq!(told, expected);
    world.close().await;
}

#[tokio::test]
async fn the_terminal_says_what_is_wrong_in_a_line() {
    let world = world().await;
    let url = format!("http://{}", world.server.local_addr());
    let operator =
        |token: &str| Operator { url: url.clone(), token: Some(token.into()), ca: None, identity: None };
    cli::tree(&operator(TOKEN), None, false).await.expect("a tree");
    cli::calls(&operator(TOKEN), false, false).await.expect("calls");
    let wrong = cli::tree(&operator("0123456789abcdee"), None, false).await.expect_err("refused");
    assert!(wrong.message.contains("refused the token"), "{wrong}");
    let taken = start(world.parts.clone(), world.server.local_addr()).await;
    assert!(taken.err().expect("refused").message.starts_with("--grpc: cannot listen on"));
    world.close().await;
    let gone = cli::calls(&operator(TOKEN), false, false).await.expect_err("nobody there");
    assert!(gone.message.contains("Connection refused") && !gone.message.contains('\n'), "{gone}");
}
