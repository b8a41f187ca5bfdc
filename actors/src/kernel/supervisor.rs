//! Supervision with OTP's semantics, over ractor's events.
//!
//! Children start in order and stop in reverse, each with a time limit. More than `limit` restarts within
//! `period` and the supervisor stops every child, then itself; what that means is its parent's business.
//! ractor kills the children of a supervisor that ends, so a supervisor ends only after it stopped them.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::{Error, Result};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::child::{Child, Halt, Restart, Started};
use super::tree::{Branch, Kind, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Only the child that ended is started again.
    OneForOne,
    /// The children started after it are stopped, and all of them started again in order.
    RestForOne,
}

/// OTP's intensity and period.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub limit: usize,
    pub period: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { limit: 5, period: Duration::from_secs(30) }
    }
}

/// An isolated child that is down is tried again after these times, the last one for ever.
const RETRIES: [Duration; 7] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(32),
    Duration::from_secs(60),
];

pub enum Msg {
    /// Stop the children in reverse order, then end.
    Shutdown,
    /// Try a child that is down again.
    Retry(usize),
}

/// Why a supervisor ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Running,
    Shutdown,
    /// Past its budget; the error of the last child.
    Exhausted(String),
}

/// A list of children to run, as data.
pub struct Supervisor {
    pub name: Arc<str>,
    pub strategy: Strategy,
    pub budget: Budget,
    pub children: Vec<Child>,
}

/// A running root.
pub struct Tree {
    pub branch: Arc<Branch>,
    actor: ActorRef<Msg>,
    outcome: watch::Receiver<Outcome>,
}

impl Supervisor {
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Supervisor {
            name: name.into(),
            strategy: Strategy::OneForOne,
            budget: Budget::default(),
            children: Vec::new(),
        }
    }

    pub fn child(mut self, child: Child) -> Self {
        self.children.push(child);
        self
    }

    /// Starts a root supervisor and its children. The first child that does not start stops those before.
    pub async fn start(self) -> Result<Tree> {
        let branch = Branch::new(self.name.clone(), Kind::Supervisor);
        let (outcome, watch) = watch::channel(Outcome::Running);
        let args = Args { plan: Arc::new(self), branch: branch.clone(), outcome };
        let (actor, _) = Actor::spawn(None, Overseer, args).await.map_err(Error::internal)?;
        let root = Started { cell: actor.get_cell(), halt: Halt::Supervisor(actor.clone()) };
        branch.started(&root, false);
        Ok(Tree { branch, actor, outcome: watch })
    }

    /// This supervisor as a child of another. A restart of it starts all its children anew.
    pub fn as_child(self) -> Child {
        let plan = Arc::new(self);
        let limit =
            plan.children.iter().map(|child| child.shutdown).sum::<Duration>() + Duration::from_secs(1);
        Child::new(plan.name.clone(), Kind::Supervisor, move |parent: ActorCell, branch| {
            let (outcome, _) = watch::channel(Outcome::Running);
            let args = Args { plan: plan.clone(), branch, outcome };
            async move {
                let (actor, _) = Actor::spawn_linked(None, Overseer, args, parent).await?;
                Ok(Started { cell: actor.get_cell(), halt: Halt::Supervisor(actor) })
            }
        })
        .shutdown(limit)
    }
}

impl Tree {
    /// Stops every child in reverse order and returns when the last one is gone.
    pub async fn stop(&self) {
        let _ = self.actor.cast(Msg::Shutdown);
        let _ = self.actor.wait(None).await;
    }

    /// Resolves when the tree has ended, and says why.
    pub async fn ended(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        let _ = outcome.wait_for(|outcome| *outcome != Outcome::Running).await;
        outcome.borrow().clone()
    }
}

struct Overseer;

struct Args {
    plan: Arc<Supervisor>,
    branch: Arc<Branch>,
    outcome: watch::Sender<Outcome>,
}

struct Slot {
    started: Option<Started>,
    branch: Arc<Branch>,
    /// How often in a row an isolated child went down, and when it was last started.
    fallen: usize,
    since: Instant,
}

struct Run {
    args: Args,
    slots: Vec<Slot>,
    restarts: VecDeque<Instant>,
}

impl Actor for Overseer {
    type Msg = Msg;
    type State = Run;
    type Arguments = Args;

    async fn pre_start(&self, myself: ActorRef<Msg>, args: Args) -> Result<Run, ActorProcessingErr> {
        let slot = |child: &Child| Slot {
            started: None,
            branch: args.branch.child(&child.id, child.kind),
            fallen: 0,
            since: Instant::now(),
        };
        let slots = args.plan.children.iter().map(slot).collect();
        let mut run = Run { args, slots, restarts: VecDeque::new() };
        for at in 0..run.slots.len() {
            match run.begin(at, &myself, false).await {
                Err(error) if run.args.plan.children[at].isolated => run.down(at, &myself, error.to_string()),
                Err(error) => {
                    run.halt_from(0).await;
                    return Err(error);
                }
                Ok(()) => {}
            }
        }
        Ok(run)
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        run: &mut Run,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Shutdown => run.end(&myself, Outcome::Shutdown).await,
            Msg::Retry(at) if run.slots[at].branch.state() == State::Down => {
                if let Err(error) = run.begin(at, &myself, true).await {
                    run.down(at, &myself, error.to_string());
                }
            }
            Msg::Retry(_) => {}
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Msg>,
        event: SupervisionEvent,
        run: &mut Run,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, error) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, Some(error.to_string())),
            SupervisionEvent::ActorTerminated(cell, _, reason) => {
                (cell, reason.filter(|reason| reason == "killed" || reason.starts_with(EXHAUSTED)))
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        let id = cell.get_id();
        let at =
            run.slots.iter().position(|slot| slot.started.as_ref().is_some_and(|s| s.cell.get_id() == id));
        if let Some(at) = at {
            run.fell(at, error, &myself).await;
        }
        Ok(())
    }
}

impl Args {
    /// Restarts of one child. Known from the first start on, so that the first restart is seen as a rise.
    fn restarts(&self, at: usize) -> metrics::Counter {
        let (supervisor, child) = (self.plan.name.to_string(), self.plan.children[at].id.to_string());
        metrics::counter!("supervisor_restarts_total", "supervisor" => supervisor, "child" => child)
    }
}

/// The stop reason by which a parent tells exhaustion from an ordered shutdown.
const EXHAUSTED: &str = "restart budget exhausted";

impl Run {
    async fn begin(
        &mut self,
        at: usize,
        myself: &ActorRef<Msg>,
        again: bool,
    ) -> Result<(), ActorProcessingErr> {
        let slot = &mut self.slots[at];
        slot.branch.set(State::Starting);
        let start = self.args.plan.children[at].start.clone();
        match start(myself.get_cell(), slot.branch.clone()).await {
            Ok(started) => {
                slot.branch.started(&started, again);
                self.args.restarts(at).increment(u64::from(again));
                slot.since = Instant::now();
                slot.started = Some(started);
                Ok(())
            }
            Err(error) => {
                slot.branch.failed(error.to_string());
                slot.branch.set(State::Stopped);
                Err(error.into())
            }
        }
    }

    /// A child ended by itself.
    async fn fell(&mut self, at: usize, error: Option<String>, myself: &ActorRef<Msg>) {
        let plan = self.args.plan.clone();
        let child = &plan.children[at];
        let slot = &mut self.slots[at];
        slot.started = None;
        slot.branch.set(State::Stopped);
        if let Some(error) = &error {
            slot.branch.failed(error.clone());
            tracing::warn!(supervisor = %plan.name, child = %child.id, %error, "child failed");
        }
        let again = match child.restart {
            Restart::Permanent => true,
            Restart::Transient => error.is_some(),
            Restart::Temporary => false,
        };
        let error = error.unwrap_or_else(|| "it ended".to_owned());
        if child.isolated && again {
            self.down(at, myself, error);
        } else if again {
            self.renew(at, error, myself).await;
        }
    }

    /// Starts a child again, and under `RestForOne` those after it, as long as the budget lasts. A start
    /// that fails costs the budget like any other failure.
    async fn renew(&mut self, at: usize, mut error: String, myself: &ActorRef<Msg>) {
        let last = match self.args.plan.strategy {
            Strategy::OneForOne => at,
            Strategy::RestForOne => self.slots.len() - 1,
        };
        loop {
            if !self.spend() {
                return self.end(myself, Outcome::Exhausted(error)).await;
            }
            if last > at {
                self.halt_from(at + 1).await;
            }
            let mut begun = Ok(());
            for index in at..=last {
                begun = self.begin(index, myself, true).await;
                if begun.is_err() {
                    break;
                }
            }
            match begun {
                Ok(()) => return,
                Err(failed) => error = failed.to_string(),
            }
        }
    }

    /// True while the restarts within the period, this one counted, are within the limit.
    fn spend(&mut self) -> bool {
        let (now, budget) = (Instant::now(), self.args.plan.budget);
        self.restarts.push_back(now);
        while self.restarts.front().is_some_and(|first| now - *first >= budget.period) {
            self.restarts.pop_front();
        }
        self.restarts.len() <= budget.limit
    }

    /// An isolated child is past its own budget: leave it down for a while.
    fn down(&mut self, at: usize, myself: &ActorRef<Msg>, error: String) {
        let slot = &mut self.slots[at];
        let longest = RETRIES[RETRIES.len() - 1];
        slot.fallen = if slot.since.elapsed() > longest { 0 } else { slot.fallen };
        let wait = RETRIES[slot.fallen.min(RETRIES.len() - 1)];
        slot.fallen += 1;
        slot.branch.failed(error);
        slot.branch.set(State::Down);
        let child = &self.args.plan.children[at].id;
        tracing::error!(supervisor = %self.args.plan.name, %child, retry_in = ?wait, "child is down");
        myself.send_after(wait, move || Msg::Retry(at));
    }

    async fn halt_from(&mut self, first: usize) {
        for at in (first..self.slots.len()).rev() {
            let slot = &mut self.slots[at];
            if let Some(started) = slot.started.take() {
                slot.branch.set(State::Stopping);
                started.stop(self.args.plan.children[at].shutdown).await;
                slot.branch.set(State::Stopped);
            }
        }
    }

    async fn end(&mut self, myself: &ActorRef<Msg>, outcome: Outcome) {
        self.args.branch.set(State::Stopping);
        self.halt_from(0).await;
        self.args.branch.set(State::Stopped);
        let reason = match &outcome {
            Outcome::Exhausted(error) => Some(format!("{EXHAUSTED}: {error}")),
            Outcome::Shutdown | Outcome::Running => None,
        };
        self.args.outcome.send_replace(outcome);
        myself.stop(reason);
    }
}
