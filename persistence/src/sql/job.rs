//! A unit as the statements that the writer will run. Built in the caller's task: the writer only executes.

use std::sync::Arc;

use protocol::ports::{Bound, Pending, Unit, Write};
use protocol::time::Time;
use protocol::{Event, Resource, Result, Row, Scope};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Duration;
use uuid::Uuid;

use super::dialect::{Asked, Dialect};
use super::recent::Touch;
use super::statement::Statement;
use super::{journal, outbox, timers};

/// Of a unit that may join others.
const JOINS: Duration = Duration::from_millis(10);
/// Of one for which nobody waits.
const LEFT: Duration = Duration::from_millis(100);

pub(super) enum Step {
    Insert(Statement),
    Update {
        change: Statement,
        subject: Subject,
    },
    /// Its last value is the next number of this node's entries, bound by the writer: numbers follow commits.
    Numbered(Statement),
    /// The same, of this node's facts. The fact has the number after it.
    Told(Statement, Arc<Event>, i64),
    /// It matches as long as this node has its name.
    Renew(Statement),
    Plain(Statement),
}

/// What a change is of. When it has matched nothing, a look for this tells what was changed from what is gone.
pub(super) enum Subject {
    Row(&'static Resource, Uuid, Scope),
    Node(String),
}

impl Subject {
    /// One row if it is there.
    pub(super) fn exists(&self) -> Statement {
        match self {
            Subject::Row(resource, id, scope) => Statement::exists(resource, *id, *scope),
            Subject::Node(node) => Statement::new("SELECT 1 FROM nodes WHERE node = ?").with(node.as_str()),
        }
    }
}

/// The last numbers in use on this node. Facts have numbers of their own, so that those that are delivered one after
/// the other are neighbours, and forgotten with one statement.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    pub(super) entry: i64,
    pub(super) fact: i64,
}

/// Who waits for it, once it is stored.
#[derive(Clone, Copy)]
pub(super) struct Wakes {
    pub(super) outbox: bool,
    /// The first timer that it sets.
    pub(super) timers: Option<Time>,
}

impl Wakes {
    pub(super) const NOBODY: Wakes = Wakes { outbox: false, timers: None };
    pub(super) const ALL: Wakes = Wakes { outbox: true, timers: Some(Time::MIN_UTC) };

    pub(super) fn and(self, other: Wakes) -> Wakes {
        let timers = self.timers.into_iter().chain(other.timers).min();
        Wakes { outbox: self.outbox || other.outbox, timers }
    }
}

/// What is stored together or not at all.
pub(super) struct Job {
    pub(super) steps: Vec<Step>,
    /// Rows that it changes.
    pub(super) touches: Vec<Touch>,
    pub(super) wakes: Wakes,
    /// How long it may wait for others to share a transaction with.
    pub(super) patience: Duration,
    /// Nobody waits for its answer.
    pub(super) is_left: bool,
    pub(super) answer: oneshot::Sender<Result<()>>,
}

pub(super) type Answer = oneshot::Receiver<Result<()>>;

/// Facts with their numbers.
pub(super) type Told = Vec<(i64, Arc<Event>)>;

impl Job {
    pub(super) fn new(steps: Vec<Step>, wakes: Wakes) -> (Self, Answer) {
        let (answer, outcome) = oneshot::channel();
        (Job { steps, touches: Vec::new(), wakes, patience: Duration::ZERO, is_left: false, answer }, outcome)
    }

    pub(super) fn of<D: Dialect>(unit: Unit, node: &str) -> Result<(Self, Answer)> {
        let timers = unit.timers.iter().filter_map(set_at).min();
        let wakes = Wakes { outbox: !unit.events.is_empty(), timers };
        let touches = unit.writes.iter().map(touched).collect();
        let patience = if unit.joins { JOINS } else { Duration::ZERO };
        let rows = unit.writes.into_iter().map(row::<D>);
        let events = unit.events.into_iter().map(|event| outbox::add(node, Arc::new(event)));
        let mut steps = rows.chain(events).collect::<Result<Vec<_>>>()?;
        steps.extend(unit.journal.into_iter().map(journal::change::<D>));
        steps.extend(unit.timers.into_iter().map(|change| timers::change::<D>(node, change)));
        steps.extend(outbox::forget(node, &unit.delivered));
        let (mut job, answer) = Self::new(steps, wakes);
        (job.touches, job.patience) = (touches, patience);
        Ok((job, answer))
    }

    /// As [`Job::of`], of a unit for whose answer nobody waits.
    pub(super) fn left<D: Dialect>(unit: Unit, node: &str) -> Result<Self> {
        let (mut job, _) = Self::of::<D>(unit, node)?;
        (job.patience, job.is_left) = (LEFT, true);
        Ok(job)
    }

    /// Gives its numbered steps the next numbers of this node.
    pub(super) fn number(&mut self, last: &mut Numbers) {
        for step in &mut self.steps {
            match step {
                Step::Numbered(statement) => {
                    last.entry += 1;
                    statement.number(last.entry);
                }
                Step::Told(statement, _, number) => {
                    last.fact += 1;
                    statement.number(last.fact);
                    *number = last.fact;
                }
                Step::Insert(_) | Step::Update { .. } | Step::Renew(_) | Step::Plain(_) => {}
            }
        }
    }

    /// Its facts, with their numbers.
    pub(super) fn told(&self) -> impl Iterator<Item = (i64, Arc<Event>)> {
        self.steps.iter().filter_map(|step| match step {
            Step::Told(_, event, number) => Some((*number, event.clone())),
            Step::Insert(_) | Step::Update { .. } | Step::Numbered(_) | Step::Renew(_) | Step::Plain(_) => {
                None
            }
        })
    }

    pub(super) fn can_be_refused(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Insert(_) | Step::Update { .. }))
    }
}

impl Step {
    pub(super) fn asked(&self) -> Asked<'_> {
        match self {
            Step::Update { change: statement, .. } => Asked { statement, must_match: true },
            Step::Insert(statement)
            | Step::Numbered(statement)
            | Step::Told(statement, ..)
            | Step::Renew(statement)
            | Step::Plain(statement) => Asked::of(statement),
        }
    }
}

fn touched(write: &Write) -> Touch {
    match write {
        Write::Insert { resource, row } => Touch::new(resource, id_of(row), Some(row)),
        Write::Update { resource, id, after, .. } => Touch::new(resource, *id, after.as_ref()),
        Write::Record { resource, values } => {
            let id =
                values.iter().find_map(|(_, value)| if let Bound::Id(id) = value { Some(*id) } else { None });
            Touch::new(resource, id.unwrap_or_default(), None)
        }
    }
}

/// Of a row that will be refused when it has none.
fn id_of(row: &Row) -> Uuid {
    row.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()).unwrap_or_default()
}

fn set_at(change: &Pending) -> Option<Time> {
    match change {
        Pending::Set(timer) => Some(timer.at),
        Pending::Cancel(_) => None,
    }
}

fn row<D: Dialect>(write: Write) -> Result<Step> {
    match write {
        Write::Insert { resource, row } => Statement::insert(resource, &row).map(Step::Insert),
        Write::Record { resource, values } => Statement::record::<D>(resource, values).map(Step::Plain),
        Write::Update { resource, id, scope, patch, rev, .. } => Ok(Step::Update {
            change: Statement::update(resource, id, scope, (&patch, rev))?,
            subject: Subject::Row(resource, id, scope),
        }),
    }
}
