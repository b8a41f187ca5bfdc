//! A domain's mailbox: what it accepts, in which order it works, what a crash costs.

use std::time::Duration;

use actors::kernel::{Kind, State};
use futures_util::future::join_all;
use protocol::{Command as _, Op, Status};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{How, Straight, World, act, by, eventually};

/// As the kernel promises it.
const CREDITS: usize = 1024;
/// Nothing that is refused takes longer.
const AT_ONCE: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_at_once_and_later_there_is_room_again() {
    let world = World::new().await;
    let tree = world.grow().await;
    let accepted = join_all((0..CREDITS).map(|n| world.ask(Uuid::now_v7(), act(How::Wait, n))));
    let beyond = async {
        eventually("full", || world.mailbox.depth() == CREDITS, || world.mailbox.depth()).await;
        for _ in 0..100 {
            let since = Instant::now();
            let refused = world.ask(Uuid::now_v7(), act(How::Say, "beyond")).await.expect_err("refused");
            assert_eq!((refused.status, &*refused.reason), (Status::Unavailable, "SERVICE_UNAVAILABLE"));
            assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
        }
        world.scene.gate.send_replace(true);
    };
    let (answers, ()) = tokio::join!(accepted, beyond);
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), json!(n.to_string()));
    }
    eventually("empty", || world.mailbox.depth() == 0, || world.mailbox.depth()).await;
    assert_eq!(world.ask(Uuid::now_v7(), act(How::Say, "after")).await.unwrap(), json!("after"));
    assert_eq!(world.scene.count("begin beyond"), 0);
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_served_in_order_and_another_beside_it() {
    let world = World::new().await;
    let tree = world.grow().await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let first = join_all((0..20).map(|n| world.ask(one, act(if n == 0 { How::Wait } else { How::Say }, n))));
    let beside = async {
        world.logs("begin 0").await;
        world.ask(other, act(How::Say, "other")).await.unwrap();
        assert_eq!(world.scene.lines(), ["begin 0", "begin other", "end other"]);
        world.scene.gate.send_replace(true);
    };
    tokio::join!(first, beside);
    let served: Vec<String> = world.scene.lines().split_off(3);
    let expected = (0..20).flat_map(|n| [format!("begin {n}"), format!("end {n}")]).skip(1);
    assert_eq!(served, expected.collect::<Vec<_>>());
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_does_not_wait_behind_a_slow_verb_of_the_same_row() {
    let world = World::new().await;
    let tree = world.grow().await;
    let id = world.made("slow").await;
    let slow = world.ask(id, act(How::Wait, "slow"));
    let read = async {
        world.logs("begin slow").await;
        let row = timeout(Duration::from_secs(5), world.op(Op::Get(id), Value::Null, by())).await;
        assert_eq!(row.expect("in time").unwrap()["name"], "slow");
        assert_eq!(world.scene.count("end slow"), 0);
        world.scene.gate.send_replace(true);
    };
    let (slow, ()) = tokio::join!(slow, read);
    slow.unwrap();
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_its_own_request_and_no_other() {
    let world = World::new().await;
    let tree = world.grow().await;
    let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
    let beside = world.ask(other, act(How::Wait, "beside"));
    let (first, bad) = (world.ask(id, act(How::Say, "first")), world.ask(id, act(How::Panic, "bad")));
    let after = async {
        let queued = join_all((0..10).map(|n| world.ask(id, act(How::Say, n)))).await;
        world.scene.gate.send_replace(true);
        queued
    };
    let (beside, first, bad, after) = tokio::join!(beside, first, bad, after);
    assert_eq!((beside.unwrap(), first.unwrap()), (json!("beside"), json!("first")));
    assert_eq!(bad.expect_err("lost").status, Status::Unavailable);
    for (n, answer) in after.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), json!(n.to_string()));
    }
    assert_eq!(tree.branch.read().children[0].children[0].restarts, 0, "the pool itself stays");
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_panics_cost_neither_the_pool_nor_its_workers() {
    let world = World::new().await;
    let tree = world.grow().await;
    let lost = join_all((0..200).map(|n| world.ask(Uuid::now_v7(), act(How::Panic, n)))).await;
    assert!(lost.iter().all(Result::is_err));
    let asked = join_all((0..200).map(|n| world.ask(Uuid::now_v7(), act(How::Say, n)))).await;
    assert!(asked.iter().all(Result::is_ok));
    eventually("empty", || world.mailbox.depth() == 0, || world.mailbox.depth()).await;
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_beside_the_workers_costs_its_own_request_only() {
    let world = World::new().await;
    let tree = world.grow().await;
    let bad = world.op(Op::Verb(Uuid::now_v7(), &Straight::VERB), json!({}), by()).await;
    assert_eq!(bad.expect_err("lost").status, Status::Unavailable);
    assert_eq!(world.mailbox.depth(), 0);
    world.ask(Uuid::now_v7(), act(How::Say, "after")).await.unwrap();
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_any_more_is_not_begun() {
    let world = World::new().await;
    let tree = world.grow().await;
    let id = Uuid::now_v7();
    let slow = world.ask(id, act(How::Wait, "slow"));
    let rest = async {
        world.logs("begin slow").await;
        let gone = world.ask(id, act(How::Say, "gone"));
        assert!(timeout(Duration::from_millis(50), gone).await.is_err());
        world.scene.gate.send_replace(true);
        world.ask(id, act(How::Say, "stays")).await
    };
    let (slow, rest) = tokio::join!(slow, rest);
    assert!(slow.is_ok() && rest.is_ok());
    assert_eq!(world.scene.count("begin gone"), 0, "{:?}", world.scene.lines());
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_answered_in_time_is_answered_by_the_deadline() {
    let world = World::new().await;
    let tree = world.grow().await;
    let (since, limit) = (Instant::now(), Duration::from_millis(300));
    let late = world.ask_within(Uuid::now_v7(), act(How::Hang, "late"), limit).await.expect_err("late");
    assert_eq!((late.status, &*late.reason), (Status::Unavailable, "REQUEST_TIMEOUT"));
    assert!(since.elapsed() >= limit && since.elapsed() < limit + AT_ONCE, "{:?}", since.elapsed());
    world.ask(Uuid::now_v7(), act(How::Say, "other")).await.unwrap();
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_pool_comes_back_behind_the_same_handle() {
    let world = World::new().await;
    let tree = world.grow().await;
    let lost = world.ask(Uuid::now_v7(), act(How::Hang, "lost"));
    let kill = async {
        world.logs("begin lost").await;
        tree.branch.find("widget-manager/pool").unwrap().kill();
    };
    let (lost, ()) = tokio::join!(lost, kill);
    assert_eq!(lost.expect_err("lost").status, Status::Unavailable);
    let limit = Instant::now() + Duration::from_secs(5);
    while world.ask(Uuid::now_v7(), act(How::Say, "again")).await.is_err() {
        assert!(Instant::now() < limit, "the pool never came back");
    }
    // the credits of what was lost are free again
    eventually("empty", || world.mailbox.depth() == 0, || world.mailbox.depth()).await;
    let domain = &tree.branch.read().children[0];
    let pool = &domain.children[0];
    assert_eq!(
        (&*domain.name, domain.kind, domain.state),
        ("widget-manager", Kind::Supervisor, State::Running)
    );
    assert_eq!((&*pool.name, pool.kind, pool.state, pool.restarts), ("pool", Kind::Pool, State::Running, 1));
    assert_eq!(pool.last_error, "killed");
    assert!(pool.age < domain.age, "{:?} {:?}", pool.age, domain.age);
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_shows_what_waits() {
    let world = World::new().await;
    let tree = world.grow().await;
    let waiting = join_all((0..7).map(|n| world.ask(Uuid::now_v7(), act(How::Wait, n))));
    let look = async {
        let depth = || tree.branch.read().children[0].children[0].depth;
        eventually("seven wait", || depth() == 7, depth).await;
        world.scene.gate.send_replace(true);
    };
    tokio::join!(waiting, look);
    let names: Vec<String> = tree.branch.read().children.into_iter().map(|child| child.name).collect();
    assert_eq!(names, ["widget-manager", "outbox", "timers"]);
    world.stop(tree).await;
}
