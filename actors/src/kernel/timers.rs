//! Stored timers: a request that is sent when its time has come, also when the node was down then.
//!
//! A timer may go off twice (the node may end between the answer and its cancellation), never not at all.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use protocol::ports::{Deps, Pending, Timer, Unit};
use protocol::time::Time;
use protocol::{Context, Error, Op, Request, Result, Scope, Status};
use tokio::sync::watch;
use tokio::time::{Duration, sleep, timeout};
use uuid::Uuid;

use super::Child;
use super::patience::patiently;

/// Timers that are looked at together.
const BATCH: usize = 64;
/// Timers whose requests are under way. A slow one delays none of the others.
const UNDER_WAY: usize = 256;
/// Wakes at least this often: the wall clock may be set.
const LONGEST: Duration = Duration::from_secs(30);
/// A busy store commits hundreds of times a second; its timers are not read more often than this.
const GATHER: Duration = Duration::from_millis(10);
/// An unavailable target is tried again after a second, two, four, and so on up to half a minute.
const DOUBLINGS: u32 = 5;
/// Timers whose failures are counted. Beyond that all of them start at a second again.
const COUNTED: usize = 10_000;

/// A timer's verb moves or cancels the timer in its own commit. One that it leaves in place is cancelled
/// here after it answered.
pub fn timers(deps: &Deps) -> Child {
    let deps = deps.clone();
    Child::task("timers", move |token| {
        let deps = deps.clone();
        async move { patiently("timers", &deps, &token, || run(deps.clone())).await }
    })
}

async fn run(deps: Deps) -> Result<()> {
    let mut timed = deps.store.timed();
    let mut firing = Firing {
        deps: deps.clone(),
        requests: FuturesUnordered::new(),
        ids: HashSet::new(),
        tries: HashMap::new(),
    };
    loop {
        let next = firing.read().await?;
        let now = deps.clock.now();
        let (due, later): (Vec<_>, Vec<_>) = next.into_iter().partition(|timer| timer.at <= now);
        if firing.start(due) {
            continue;
        }
        let first = later.first().map_or(Time::MAX_UTC, |timer| timer.at);
        let wait = (first - now).to_std().unwrap_or(LONGEST).min(LONGEST);
        tokio::select! {
            Some(answered) = firing.requests.next() => firing.settle(answered).await?,
            is_open = timeout(wait, sooner(&mut timed, first)) => match is_open {
                Ok(false) => return Ok(()),
                Ok(true) => sleep(GATHER).await,
                Err(_) => {}
            }
        }
    }
}

/// Waits until a timer is set that is due before the first known one. False: none ever will be.
async fn sooner(timed: &mut watch::Receiver<Time>, first: Time) -> bool {
    timed.wait_for(|set| *set < first).await.is_ok()
}

type Answered = (Timer, Result<()>);

/// The timers whose requests are under way.
struct Firing {
    deps: Deps,
    requests: FuturesUnordered<BoxFuture<'static, Answered>>,
    ids: HashSet<Uuid>,
    /// How often in a row each target was unavailable.
    tries: HashMap<Uuid, u32>,
}

impl Firing {
    /// The next timers, those under way not counted.
    async fn read(&mut self) -> Result<Vec<Timer>> {
        let most = u32::try_from(BATCH + self.ids.len()).unwrap_or(u32::MAX);
        self.deps.store.timers_are_read();
        self.deps.store.timers(most).await
    }

    /// Sends what is due. True when there was any.
    fn start(&mut self, due: Vec<Timer>) -> bool {
        let before = self.ids.len();
        for timer in due {
            if self.ids.len() < UNDER_WAY && self.ids.insert(timer.id) {
                self.requests.push(Box::pin(fire(self.deps.clone(), timer)));
            }
        }
        self.ids.len() > before
    }

    /// Cancels what is done and puts off what could not be done, unless the verb has changed it itself.
    async fn settle(&mut self, first: Answered) -> Result<()> {
        let mut answered = vec![first];
        while let Some(Some(next)) = self.requests.next().now_or_never() {
            answered.push(next);
        }
        let left = self.read().await?;
        let mut unit = Unit::default();
        for (timer, outcome) in &answered {
            let change = self.follow_up(timer, outcome);
            if left.contains(timer) {
                unit.timers.push(change);
            }
        }
        if !unit.timers.is_empty() {
            self.deps.store.commit(unit).await?;
        }
        for (timer, _) in answered {
            self.ids.remove(&timer.id);
        }
        Ok(())
    }

    fn follow_up(&mut self, timer: &Timer, outcome: &Result<()>) -> Pending {
        match outcome {
            Err(error) if error.status == Status::Unavailable => {
                let at = self.deps.clock.now() + self.pause(timer.id);
                tracing::warn!(timer = %timer.id, verb = timer.verb, target = %timer.target, %error, "timer put off");
                return Pending::Set(Timer { at, ..timer.clone() });
            }
            Err(error) => {
                tracing::warn!(timer = %timer.id, verb = timer.verb, target = %timer.target, %error, "timer refused");
            }
            Ok(()) => {}
        }
        self.tries.remove(&timer.id);
        Pending::Cancel(timer.id)
    }

    fn pause(&mut self, timer: Uuid) -> TimeDelta {
        if self.tries.len() >= COUNTED {
            self.tries.clear();
        }
        let tries = self.tries.entry(timer).or_default();
        let seconds = 1 << (*tries).min(DOUBLINGS);
        *tries += 1;
        TimeDelta::seconds(seconds)
    }
}

async fn fire(deps: Deps, timer: Timer) -> Answered {
    let outcome = send(&deps, &timer).await;
    (timer, outcome)
}

async fn send(deps: &Deps, timer: &Timer) -> Result<()> {
    let entry = deps.catalog()?.named(&timer.resource).ok_or_else(|| Error::no_such(&timer.resource))?;
    let verb = entry.verbs.iter().find(|verb| verb.name == timer.verb).copied();
    let verb =
        verb.ok_or_else(|| Error::invalid(format!("{} has no verb {}", timer.resource, timer.verb)))?;
    let request = Request {
        resource: entry.resource,
        op: Op::Verb(timer.target, verb),
        body: timer.body.clone(),
        context: Context::own(Scope::Platform),
    };
    deps.peers.ask(request).await.map(drop)
}
