//! Live things that crash, wait, are forgotten and come back, in paused time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use protocol::{Context, Error, Result, Scope, Status};
use tokio::sync::{oneshot, watch};
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

use super::Keeper;
use crate::kernel::{Alarm, Child, Fault, Live, Living, Myself, Order, Running, State, Supervisor, Then};

/// As the kernel promises it.
const CREDITS: usize = 256;

enum Word {
    /// How often was it rebuilt before?
    Life(oneshot::Sender<Result<usize>>),
    Fail(Error),
    Panic,
    /// Nothing happens until the gate opens.
    Wait(watch::Receiver<bool>),
    Alarm(Duration),
    Silence,
    Rang,
    End,
}

struct Thing {
    life: usize,
    world: Arc<World>,
    alarm: Option<Alarm>,
}

impl Living for Thing {
    type Message = Word;

    async fn handle(&mut self, word: Word, me: &Myself<Word>) -> Result<Then> {
        match word {
            Word::Life(reply) => drop(reply.send(Ok(self.life))),
            Word::Fail(error) => return Err(error),
            Word::Panic => panic!("as told"),
            Word::Wait(mut gate) => drop(gate.wait_for(|open| *open).await),
            Word::Alarm(wait) => self.alarm = Some(me.after(wait, Word::Rang)),
            Word::Silence => self.alarm = None,
            Word::Rang => *self.world.rang.lock().unwrap() += 1,
            Word::End => return Ok(Then::End),
        }
        Ok(Then::Go)
    }
}

/// What is stored, and what the keeper did.
#[derive(Default)]
struct World {
    live: Live<Thing>,
    /// Each thing that shall exist, with how often it was rebuilt.
    stored: Mutex<HashMap<Uuid, usize>>,
    abandoned: Mutex<Vec<Uuid>>,
    away: Mutex<bool>,
    rang: Mutex<usize>,
}

struct Shelf(Arc<World>);

impl Keeper for Shelf {
    async fn recover(&self) -> Result<()> {
        let ids: Vec<Uuid> = self.0.stored.lock().unwrap().keys().copied().collect();
        for id in ids {
            self.rebuild(id).await?;
        }
        Ok(())
    }

    async fn rebuild(&self, id: Uuid) -> Result<()> {
        if *self.0.away.lock().unwrap() {
            return Err(Error::unavailable("the store is away"));
        }
        let life = {
            let mut stored = self.0.stored.lock().unwrap();
            let life = stored.get_mut(&id).ok_or_else(Error::not_found)?;
            *life += 1;
            *life
        };
        self.0.live.spawn(id, Thing { life, world: self.0.clone(), alarm: None }).await.map(drop)
    }

    async fn abandon(&self, id: Uuid) {
        self.0.stored.lock().unwrap().remove(&id);
        self.0.abandoned.lock().unwrap().push(id);
    }
}

impl World {
    /// So many things, each in its first life.
    async fn with(count: usize) -> (Arc<World>, Running, Vec<Uuid>) {
        let world = Arc::new(World::default());
        let ids: Vec<Uuid> = (0..count).map(|_| Uuid::now_v7()).collect();
        world.stored.lock().unwrap().extend(ids.iter().map(|id| (*id, 0)));
        let keeper = Arc::new(Shelf(world.clone()));
        let domain = Supervisor::new("domain").child(Child::live("things", &world.live, &keeper));
        let tree = Supervisor::new("node").child(domain.as_child().isolated()).start().await.unwrap();
        eventually(|| world.live.len() == count).await;
        (world, tree, ids)
    }

    async fn life(&self, id: Uuid) -> Result<usize> {
        self.live.ask(id, &Context::own(Scope::Platform), Word::Life).await
    }

    /// Waits until it is in that life.
    async fn lives(&self, id: Uuid, life: usize) {
        let limit = Instant::now() + Duration::from_secs(60);
        while self.life(id).await.ok() != Some(life) {
            assert!(Instant::now() < limit, "never in life {life}: {:?}", self.life(id).await);
            sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn eventually(is: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < limit, "never");
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_be_stored_is_looked_for_and_lives_if_it_is() {
    let (world, tree, ids) = World::with(1).await;
    let late = Uuid::now_v7();
    world.live.stored::<()>(Err(Error::commit_unknown())).unwrap_err();
    world.stored.lock().unwrap().insert(late, 0);
    world.lives(late, 1).await;
    // one that appears later still is found by the second look
    let later = Uuid::now_v7();
    sleep(Duration::from_secs(10)).await;
    world.stored.lock().unwrap().insert(later, 0);
    world.lives(later, 1).await;
    // what is surely not stored is not looked for
    world.live.stored::<()>(Err(Error::unavailable("the store is away"))).unwrap_err();
    let never = Uuid::now_v7();
    world.stored.lock().unwrap().insert(never, 0);
    sleep(Duration::from_secs(60)).await;
    assert!(!world.live.has(never) && world.live.has(ids[0]));
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_rebuilds_the_thing_once_and_nobody_else() {
    let (world, tree, ids) = World::with(3).await;
    for (life, crash) in [(2, Word::Panic), (3, Word::Fail(Error::internal("as told")))] {
        world.live.tell(ids[0], crash).unwrap();
        world.lives(ids[0], life).await;
    }
    assert_eq!(world.life(ids[1]).await.unwrap(), 1);
    assert_eq!(world.life(ids[2]).await.unwrap(), 1);
    assert_eq!((world.live.len(), world.abandoned.lock().unwrap().len()), (3, 0));
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_crash_too_many_and_it_is_given_up() {
    let (world, tree, ids) = World::with(2).await;
    for life in 2..=6 {
        world.live.tell(ids[0], Word::Panic).unwrap();
        world.lives(ids[0], life).await;
    }
    world.live.tell(ids[0], Word::Panic).unwrap();
    eventually(|| *world.abandoned.lock().unwrap() == [ids[0]]).await;
    eventually(|| world.live.tell(ids[0], Word::Rang).is_err_and(|e| e.status == Status::NotFound)).await;
    assert_eq!(world.life(ids[1]).await.unwrap(), 1);
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn crashes_long_ago_are_forgotten() {
    let (world, tree, ids) = World::with(1).await;
    for life in 2..=12 {
        world.live.tell(ids[0], Word::Panic).unwrap();
        world.lives(ids[0], life).await;
        sleep(Duration::from_secs(6)).await;
    }
    assert!(world.abandoned.lock().unwrap().is_empty());
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_minutes_costs_no_live_thing() {
    let (world, tree, ids) = World::with(2).await;
    *world.away.lock().unwrap() = true;
    for id in &ids {
        world.live.tell(*id, Word::Fail(Error::unavailable("the store is away"))).unwrap();
    }
    eventually(|| world.live.len() == 0).await;
    let waiting = world.life(ids[0]).await.expect_err("not rebuilt");
    assert_eq!(waiting.status, Status::Unavailable, "it exists, so it is not unknown");
    sleep(Duration::from_secs(600)).await;
    assert!(world.abandoned.lock().unwrap().is_empty());
    *world.away.lock().unwrap() = false;
    for id in &ids {
        world.lives(*id, 2).await;
    }
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_refuses_at_once_but_not_what_must_not_be_lost() {
    let (world, tree, ids) = World::with(2).await;
    let (open, gate) = watch::channel(false);
    world.live.tell(ids[0], Word::Wait(gate)).unwrap();
    for _ in 1..CREDITS {
        world.live.tell(ids[0], Word::Rang).unwrap();
    }
    let full = world.live.tell(ids[0], Word::Rang).expect_err("full");
    assert_eq!((full.status, &*full.reason), (Status::Unavailable, "SERVICE_UNAVAILABLE"));
    world.live.insist(ids[0], Word::Rang).unwrap();
    assert_eq!(world.life(ids[1]).await.unwrap(), 1, "another one has a mailbox of its own");
    open.send(true).unwrap();
    eventually(|| *world.rang.lock().unwrap() == CREDITS).await;
    world.lives(ids[0], 1).await;
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_is_dropped_never_goes_off() {
    let (world, tree, ids) = World::with(2).await;
    for id in &ids {
        world.live.tell(*id, Word::Alarm(Duration::from_secs(5))).unwrap();
    }
    world.live.tell(ids[0], Word::Silence).unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(*world.rang.lock().unwrap(), 1, "only the one that was kept");
    world.live.tell(ids[1], Word::Alarm(Duration::from_secs(5))).unwrap();
    world.live.tell(ids[1], Word::Panic).unwrap();
    world.lives(ids[1], 2).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(*world.rang.lock().unwrap(), 1, "an alarm goes with the actor that set it");
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_neither_known_nor_rebuilt() {
    let (world, tree, ids) = World::with(1).await;
    world.live.tell(ids[0], Word::End).unwrap();
    eventually(|| !world.live.has(ids[0])).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.life(ids[0]).await.expect_err("gone").status, Status::NotFound);
    assert_eq!(world.stored.lock().unwrap()[&ids[0]], 1);
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_starts_of_one_thing_are_one() {
    let (world, tree, ids) = World::with(1).await;
    let thing = || Thing { life: 9, world: world.clone(), alarm: None };
    assert!(!world.live.spawn(ids[0], thing()).await.unwrap());
    let id = Uuid::now_v7();
    let (a, b) = tokio::join!(world.live.spawn(id, thing()), world.live.spawn(id, thing()));
    assert!(a.unwrap() ^ b.unwrap(), "exactly one of them started it");
    assert_eq!(world.live.len(), 2);
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_nursery_that_is_killed_brings_all_of_them_back() {
    let (world, tree, ids) = World::with(5).await;
    tree.branch.find("domain/things").unwrap().kill();
    for id in &ids {
        world.lives(*id, 2).await;
    }
    assert_eq!(world.live.len(), 5);
    let things = &tree.branch.read().children[0].children[0];
    assert_eq!(
        (things.state, things.restarts, things.depth, things.children.len()),
        (State::Running, 1, 5, 5)
    );
    let one = tree.branch.find(&format!("domain/things/{}", ids[3])).unwrap();
    one.kill();
    world.lives(ids[3], 3).await;
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_delayed_thing_takes_its_messages_late_and_in_order() {
    let (world, tree, ids) = World::with(2).await;
    let order = Order { fault: Fault::Delay(Duration::from_secs(2)), lasts: Duration::from_secs(10) };
    let path = format!("domain/things/{}", ids[0]);
    tree.branch.hinder(&path, order).unwrap();
    let begun = Instant::now();
    assert_eq!(world.life(ids[1]).await.unwrap(), 1);
    assert_eq!(begun.elapsed(), Duration::ZERO, "its neighbour is not late");
    world.live.insist(ids[0], Word::Fail(Error::unavailable("what came first"))).unwrap();
    assert_eq!(world.life(ids[0]).await.unwrap_err().message, "it is being rebuilt; try again");
    assert_eq!(
        begun.elapsed(),
        Duration::from_secs(2),
        "and then the one behind it is lost, as in any crash"
    );
    let report = tree.branch.lift(&path).unwrap();
    assert_eq!((report.delayed, report.has_ended), (2, true));
    world.lives(ids[0], 2).await;
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_is_refused_and_an_end_is_not() {
    let (world, tree, ids) = World::with(1).await;
    let order = Order { fault: Fault::Drop(2), lasts: Duration::from_secs(10) };
    tree.branch.hinder("domain/things", order).unwrap();
    let error = world.life(ids[0]).await.unwrap_err();
    assert_eq!((error.status, error.unbegun), (Status::Unavailable, true));
    world.live.tell(ids[0], Word::Rang).unwrap_err();
    world.live.insist(ids[0], Word::End).unwrap();
    eventually(|| world.live.len() == 0).await;
    let report = tree.branch.hindered("domain/things").unwrap();
    assert_eq!((report.requests_failed, report.messages_lost, report.has_ended), (1, 1, true));
    let error = tree.branch.hinder("domain", order).unwrap_err();
    assert_eq!(error.status, Status::InvalidArgument, "a supervisor has no such mailbox");
    assert_eq!(tree.branch.hinder("nothing", order).unwrap_err().status, Status::NotFound);
    tree.stop().await;
}
