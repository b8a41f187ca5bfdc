//! Stored timers: a request that is sent when its time has come, also when the node was down then.

use protocol::ports::{Deps, Pending, Timer, Unit};
use protocol::{Context, Error, Op, Request, Result, Scope, Status};
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;

use super::Child;

/// Timers that are looked at together.
const BATCH: u32 = 64;
/// Wakes at least this often: the wall clock may be set.
const LONGEST: Duration = Duration::from_secs(30);
/// A target that is unavailable is tried again after this.
const PAUSE: Duration = Duration::from_secs(1);

/// A timer's verb moves or cancels the timer in its own commit. One that it leaves in place is cancelled
/// here after it answered.
pub fn timers(deps: &Deps) -> Child {
    let deps = deps.clone();
    Child::task("timers", move |token| run(deps.clone(), token))
}

async fn run(deps: Deps, token: CancellationToken) -> Result<()> {
    let mut committed = deps.store.committed();
    loop {
        committed.mark_unchanged();
        let next = deps.store.timers(BATCH).await?;
        let now = deps.clock.now();
        let (due, later): (Vec<_>, Vec<_>) = next.into_iter().partition(|timer| timer.at <= now);
        if !due.is_empty() {
            fire(&deps, due).await?;
            continue;
        }
        let wait =
            later.first().and_then(|timer| (timer.at - now).to_std().ok()).unwrap_or(LONGEST).min(LONGEST);
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            changed = timeout(wait, committed.changed()) => {
                if let Ok(Err(_)) = changed {
                    return Ok(());
                }
            }
        }
    }
}

async fn fire(deps: &Deps, due: Vec<Timer>) -> Result<()> {
    let outcomes = futures_util::future::join_all(due.iter().map(|timer| send(deps, timer))).await;
    let mut done = Vec::new();
    let mut busy = false;
    for (timer, outcome) in due.into_iter().zip(outcomes) {
        match outcome {
            Err(error) if error.status == Status::Unavailable => busy = true,
            Err(error) => {
                tracing::warn!(timer = %timer.id, verb = timer.verb, target = %timer.target, %error, "timer refused");
                done.push(timer);
            }
            Ok(()) => done.push(timer),
        }
    }
    let left = deps.store.timers(BATCH).await?;
    let stale = done.into_iter().filter(|timer| left.contains(timer)).map(|timer| Pending::Cancel(timer.id));
    let unit = Unit { timers: stale.collect(), ..Unit::default() };
    if !unit.timers.is_empty() {
        deps.store.commit(unit).await?;
    }
    if busy {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
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
