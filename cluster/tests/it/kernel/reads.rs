//! One row by its id: read in the task of whoever asks, with a credit of the mailbox like anything else.

use std::time::Duration;

use futures_util::future::join_all;
use protocol::{Context, Error, Op, Status};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::outage::Looks;
use super::{How, WIDGET, World, act, by, eventually};

/// As the kernel promises it.
const CREDITS: usize = 1024;
/// Nothing that is refused takes longer.
const AT_ONCE: Duration = Duration::from_millis(200);

fn within(limit: Duration) -> Context {
    Context { deadline: Instant::now() + limit, ..by() }
}

/// Both ways to a row: as a copy over the message that everything goes by, and to look at only.
async fn both(world: &World, id: Uuid, context: &Context) -> [Result<Value, Error>; 2] {
    let looked = world.mailbox.look(&WIDGET, id, context).await;
    let looked = looked.map(|row| Value::Object(row.as_ref().clone()));
    [world.op(Op::Get(id), Value::Null, context.clone()).await, looked]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_the_same_however_it_is_asked_for() {
    let world = World::new().await;
    let tree = world.grow().await;
    let id = world.made("one").await;
    let [got, looked] = both(&world, id, &by()).await.map(Result::unwrap);
    assert_eq!((&got, &got["name"]), (&looked, &Value::from("one")));
    for missing in both(&world, Uuid::now_v7(), &by()).await {
        assert_eq!(missing.expect_err("missing").status, Status::NotFound);
    }
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_a_row_is_read_costs_that_request_only_and_gives_its_credit_back() {
    let world = World::new().await;
    let tree = world.grow().await;
    let id = world.made("one").await;
    world.switch.looks(Looks::Panic);
    for lost in both(&world, id, &by()).await {
        let lost = lost.expect_err("lost");
        assert_eq!((lost.status, lost.unbegun), (Status::Unavailable, false));
    }
    assert_eq!(world.mailbox.depth(), 0);
    world.switch.looks(Looks::Fine);
    assert!(both(&world, id, &by()).await.iter().all(Result::is_ok));
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_come_in_time_is_answered_by_the_deadline() {
    let world = World::new().await;
    let tree = world.grow().await;
    world.switch.looks(Looks::Hang);
    let limit = Duration::from_millis(100);
    for late in both(&world, Uuid::now_v7(), &within(limit)).await {
        assert!(late.expect_err("late").is_timeout());
    }
    assert_eq!(world.mailbox.depth(), 0);
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_refused_at_once_when_all_credits_are_taken() {
    let world = World::new().await;
    let tree = world.grow().await;
    let id = world.made("one").await;
    let taken = join_all((0..CREDITS).map(|n| world.ask(Uuid::now_v7(), act(How::Wait, n))));
    let beyond = async {
        eventually("full", || world.mailbox.depth() == CREDITS, || world.mailbox.depth()).await;
        let since = Instant::now();
        for refused in both(&world, id, &by()).await {
            let refused = refused.expect_err("refused");
            assert_eq!((refused.status, refused.unbegun), (Status::Unavailable, true));
        }
        assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
        world.scene.gate.send_replace(true);
    };
    tokio::join!(taken, beyond);
    eventually("empty", || world.mailbox.depth() == 0, || world.mailbox.depth()).await;
    assert!(both(&world, id, &by()).await.iter().all(Result::is_ok));
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_has_not_started_or_has_ended_reads_nothing() {
    let world = World::new().await;
    for refused in both(&world, Uuid::now_v7(), &by()).await {
        assert!(refused.expect_err("not started").unbegun);
    }
    let tree = world.grow().await;
    let id = world.made("one").await;
    tree.stop().await;
    for refused in both(&world, id, &by()).await {
        assert!(refused.expect_err("ended").unbegun);
    }
    world.deps.store.close().await;
    let _ = std::fs::remove_dir_all(world.folder);
}
