//! Facts from the store to their followers: all of them, in order per row, whatever fails on the way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::kernel::DEAD_EVENT;
use async_trait::async_trait;
use futures_util::future::join_all;
use protocol::ports::{Filter, Subscribe, Subscription};
use protocol::{Error, Event, Op, Page, Result, Scope};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{World, by, eventually};

/// Tries of one follower, as the kernel promises it.
const TRIES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn facts_of_one_row_arrive_in_order() {
    let world = World::new().await;
    let tree = world.grow().await;
    let names: Vec<String> = (0..8).map(|n| format!("row{n}")).collect();
    let lives = names.iter().map(async |name| {
        let id = world.made(name).await;
        for _ in 0..20 {
            world.op(Op::Update(id), json!({"name": name}), by()).await.unwrap();
        }
    });
    join_all(lives).await;
    for name in &names {
        world.logs(&format!("heard {name} 21")).await;
        world.logs(&format!("seen {name} 21")).await;
    }
    let mut last: HashMap<(String, String), i64> = HashMap::new();
    for line in world.scene.lines() {
        let [how, name, rev] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let rev: i64 = rev.parse().unwrap();
        let before = last.insert((how.into(), name.into()), rev).unwrap_or_default();
        assert_eq!(rev, before + 1, "{line}");
    }
    assert_eq!(last.len(), 2 * names.len());
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_a_follower_cannot_take_is_set_aside_and_delays_no_other() {
    let world = World::new().await;
    let tree = world.grow().await;
    world.made("bad").await;
    world.made("good").await;
    world.logs("heard good 1").await;
    world.logs("seen bad 1").await;
    assert!(world.scene.count("refused bad") < TRIES, "the others did not wait for the last try");
    let page = Page { size: 10, after: None };
    let limit = Instant::now() + Duration::from_secs(20);
    let dead = loop {
        let rows =
            world.deps.store.list(&DEAD_EVENT, Scope::Platform, &Filter::default(), &page).await.unwrap();
        if !rows.is_empty() {
            break rows;
        }
        assert!(Instant::now() < limit, "nothing was set aside");
        sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(world.scene.count("refused bad"), TRIES);
    assert_eq!((dead.len(), &dead[0]["follower"]), (1, &json!("widget-manager/heard")));
    assert_eq!((&dead[0]["type"], &dead[0]["tries"]), (&json!("widget_created"), &json!(TRIES)));
    assert_eq!(dead[0]["event"]["data"]["name"], "bad");
    world.stop(tree).await;
}

/// A subscriber of another node that refuses the first fact it hears, once.
#[derive(Default)]
struct Reluctant(Mutex<Vec<String>>);

#[async_trait]
impl Subscribe for Reluctant {
    async fn deliver(&self, event: Arc<Event>) -> Result<()> {
        let mut heard = self.0.lock().unwrap();
        heard.push(format!("{} {}", event.data["name"].as_str().unwrap(), event.data["rev"]));
        match heard.len() {
            1 => Err(Error::unavailable("not yet")),
            _ => Ok(()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_was_refused_is_not_overtaken_by_later_ones_of_its_row() {
    let world = World::new().await;
    let reluctant = Arc::new(Reluctant::default());
    let guard =
        world.deps.bus.subscribe(&Subscription::to_all("elsewhere"), reluctant.clone()).await.unwrap();
    let tree = world.grow().await;
    let id = world.made("a").await;
    let heard = || reluctant.0.lock().unwrap().clone();
    eventually("the first is refused", || heard() == ["a 1"], heard).await;
    for _ in 0..3 {
        world.op(Op::Update(id), json!({"name": "a"}), by()).await.unwrap();
        world.made("b").await;
    }
    eventually("the last", || heard().contains(&"a 4".to_owned()), heard).await;
    let mine: Vec<String> = heard().into_iter().filter(|line| line.starts_with('a')).collect();
    assert_eq!(mine, ["a 1", "a 1", "a 2", "a 3", "a 4"]);
    assert_eq!(heard().iter().filter(|line| *line == "b 1").count(), 3, "other rows go on");
    drop(guard);
    world.stop(tree).await;
}

/// A subscriber of another node that takes nothing until it is opened.
#[derive(Default)]
struct Shut(AtomicBool);

#[async_trait]
impl Subscribe for Shut {
    async fn deliver(&self, _: Arc<Event>) -> Result<()> {
        match self.0.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(Error::unavailable("not yet")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bus_does_not_take_stands_in_the_timeline_once_however_often_it_is_read() {
    let world = World::new().await;
    let shut = Arc::new(Shut::default());
    let guard = world.deps.bus.subscribe(&Subscription::to_all("elsewhere"), shut.clone()).await.unwrap();
    let tree = world.grow().await;
    let names = ["a", "b", "c"];
    for name in names {
        world.made(name).await;
    }
    world.tells(&names).await;
    assert_eq!(world.deps.store.outbox(0, 9).await.unwrap().len(), names.len());
    tree.branch.find("outbox").unwrap().kill();
    eventually("again", || tree.branch.read().children[1].restarts == 1, || ()).await;
    shut.0.store(true, Ordering::SeqCst);
    world.made("d").await;
    world.forgets().await;
    world.tells(&["a", "b", "c", "d"]).await;
    drop(guard);
    world.stop(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_store_delays_facts_and_ends_nothing() {
    let world = World::new().await;
    let tree = world.grow().await;
    world.made("before").await;
    world.logs("seen before 1").await;
    tree.branch.find("outbox").unwrap().kill();
    eventually("again", || tree.branch.read().children[1].restarts == 1, || ()).await;
    world.made("kept").await;
    world.switch.cut(true);
    sleep(Duration::from_secs(2)).await;
    world.switch.cut(false);
    world.logs("seen kept 1").await;
    world.made("after").await;
    world.logs("seen after 1").await;
    let restarts: Vec<u64> = tree.branch.read().children.iter().map(|child| child.restarts).collect();
    assert_eq!(restarts, [0, 1, 0]);
    world.forgets().await;
    world.tells(&["before", "kept", "after"]).await;
    world.stop(tree).await;
}
