//! What an operator's act does to users, told at its moment.

use actors::kernel::{Act, Effect, Kind};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::{How, World, act, eventually};

const POOL: &str = "widget-manager/pool";
const WAITING: usize = 7;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_pool_fails_the_requests_that_were_counted_and_no_other() {
    let world = World::new().await;
    let tree = world.grow().await;
    let waiting = join_all((0..WAITING).map(|n| world.ask(Uuid::now_v7(), act(How::Wait, n))));
    let killing = async {
        eventually("accepted", || world.mailbox.depth() == WAITING, || world.mailbox.depth()).await;
        let expected = Effect { requests_failed: WAITING, ..Effect::default() };
        assert_eq!(tree.branch.effect(POOL, Act::Kill), Some((Kind::Pool, expected)), "rehearsed");
        assert_eq!(tree.branch.act(POOL, Act::Kill), Some((Kind::Pool, expected)));
    };
    let (answers, ()) = tokio::join!(waiting, killing);
    for answer in answers {
        let lost = answer.expect_err("lost");
        assert!(lost.message.contains("lost in a crash"), "{lost}");
    }
    world.scene.gate.send_replace(true);
    eventually("again", || tree.branch.read().children[0].children[0].restarts == 1, || tree.branch.read())
        .await;
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_pool_answers_first_what_it_accepted() {
    let world = World::new().await;
    let tree = world.grow().await;
    let waiting = join_all((0..WAITING).map(|n| world.ask(Uuid::now_v7(), act(How::Wait, n))));
    let restarting = async {
        eventually("accepted", || world.mailbox.depth() == WAITING, || world.mailbox.depth()).await;
        let (_, effect) = tree.branch.act(POOL, Act::Restart).expect("a pool");
        assert_eq!(effect, Effect { requests_finishing: WAITING, ..Effect::default() });
        world.scene.gate.send_replace(true);
    };
    let (answers, ()) = tokio::join!(waiting, restarting);
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.expect("answered"), json!(n.to_string()));
    }
    eventually("again", || tree.branch.read().children[0].children[0].restarts == 1, || tree.branch.read())
        .await;
    world.stop(tree).await;
}
