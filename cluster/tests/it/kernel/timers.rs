//! Stored timers in real time: when they go off, how often, and what happens when they cannot.

use std::time::Duration;

use protocol::ports::Pending;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{How, World, act, eventually, timer};

fn said(name: &str, within: i64) -> Pending {
    Pending::Set(timer(Uuid::now_v7(), within, Uuid::now_v7(), act(How::Say, name)))
}

fn ends(world: &World) -> Vec<String> {
    world.scene.lines().into_iter().filter(|line| line.starts_with("end")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_go_off_in_the_order_of_their_times() {
    let world = World::new().await;
    let tree = world.grow().await;
    world.set([said("c", 450), said("a", 150), said("b", 300)]).await;
    world.rests().await;
    assert_eq!(ends(&world), ["end a", "end b", "end c"]);
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_moves_when_it_is_set_again_and_goes_when_it_is_cancelled() {
    let world = World::new().await;
    let tree = world.grow().await;
    let (moved, gone, target, since) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7(), Instant::now());
    let set = |id, within, name| Pending::Set(timer(id, within, target, act(How::Say, name)));
    world.set([set(moved, 150, "early"), set(gone, 200, "gone"), said("between", 300)]).await;
    world.set([set(moved, 500, "late"), Pending::Cancel(gone)]).await;
    world.rests().await;
    assert_eq!(ends(&world), ["end between", "end late"]);
    assert!(since.elapsed() >= Duration::from_millis(500));
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_while_nobody_looked_goes_off_at_the_start() {
    let world = World::new().await;
    let tree = world.grow().await;
    tree.branch.find("timers").unwrap().kill();
    world.set([said("meanwhile", 0)]).await;
    world.logs("end meanwhile").await;
    tree.stop().await;
    world.set([said("long ago", -60_000), said("just now", 0)]).await;
    assert_eq!(world.scene.count("end long ago"), 0);
    let tree = world.grow().await;
    world.rests().await;
    assert_eq!((world.scene.count("end long ago"), world.scene.count("end just now")), (1, 1));
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verb_that_sets_its_own_timer_again_is_not_cancelled() {
    let world = World::new().await;
    let tree = world.grow().await;
    *world.scene.left.lock().unwrap() = 5;
    let id = Uuid::now_v7();
    world.set([Pending::Set(timer(id, 10, Uuid::now_v7(), act(How::Again, id)))]).await;
    world.rests().await;
    assert_eq!(world.scene.count(&format!("end {id}")), 6);
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_unavailable_is_tried_again_and_keeps_nobody_waiting() {
    let world = World::new().await;
    let tree = world.grow().await;
    *world.scene.left.lock().unwrap() = 300;
    let refusing = (0..300)
        .map(|n| Pending::Set(timer(Uuid::now_v7(), -1000 - n, Uuid::now_v7(), act(How::Refuse, "refused"))));
    world.set(refusing).await;
    world.set([said("other", 0)]).await;
    world.logs("end other").await;
    world.rests().await;
    assert_eq!(world.scene.count("end refused"), 300, "each of them in the end");
    assert_eq!(world.scene.count("begin refused"), 600, "each of them twice");
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_verb_delays_no_other_timer() {
    let world = World::new().await;
    let tree = world.grow().await;
    world.set([Pending::Set(timer(Uuid::now_v7(), 0, Uuid::now_v7(), act(How::Wait, "slow")))]).await;
    world.logs("begin slow").await;
    world.set([said("quick", 0)]).await;
    world.logs("end quick").await;
    assert_eq!(world.scene.count("end slow"), 0);
    world.scene.gate.send_replace(true);
    world.rests().await;
    assert_eq!(world.scene.count("begin slow"), 1, "once, however long it took");
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_store_delays_timers_and_ends_nothing() {
    let world = World::new().await;
    let tree = world.grow().await;
    world.set([said("meanwhile", 500)]).await;
    world.switch.cut(true);
    // longer than six failures in a row need to spend the budget of a supervisor
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.scene.count("begin meanwhile"), 0);
    world.switch.cut(false);
    world.logs("end meanwhile").await;
    world.rests().await;
    let children = tree.branch.read().children;
    assert!(children.iter().all(|child| child.restarts == 0), "{children:?}");
    eventually("running", || tree.branch.read().state == actors::kernel::State::Running, || ()).await;
    world.stop(tree).await;
}
