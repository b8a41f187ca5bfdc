//! A unit as the statements that the writer will run. Built in the caller's task: the writer only executes.

use std::sync::Arc;

use protocol::ports::{Pending, Unit, Write};
use protocol::{Event, Resource, Result, Scope};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::dialect::{Asked, Dialect};
use super::recent::Key;
use super::statement::Statement;
use super::{journal, outbox, timers};

pub(super) enum Step {
    Insert(Statement),
    Update {
        change: Statement,
        subject: Subject,
    },
    /// Its last value is the next number of this node, bound by the writer: numbers follow commits.
    Numbered(Statement),
    /// The same, for a fact, which has the number after it.
    Told(Statement, Arc<Event>, i64),
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

/// Who waits for it, once it is stored.
#[derive(Clone, Copy)]
pub(super) struct Wakes {
    pub(super) outbox: bool,
    pub(super) timers: bool,
}

impl Wakes {
    pub(super) const NOBODY: Wakes = Wakes { outbox: false, timers: false };
    pub(super) const ALL: Wakes = Wakes { outbox: true, timers: true };
}

/// What is stored together or not at all.
pub(super) struct Job {
    pub(super) steps: Vec<Step>,
    /// Rows that it changes.
    pub(super) touches: Vec<Key>,
    pub(super) wakes: Wakes,
    /// It need not have a transaction for itself.
    pub(super) waits_for_company: bool,
    pub(super) answer: oneshot::Sender<Result<()>>,
}

pub(super) type Answer = oneshot::Receiver<Result<()>>;

/// Facts with their numbers.
pub(super) type Told = Vec<(i64, Arc<Event>)>;

impl Job {
    pub(super) fn new(steps: Vec<Step>, wakes: Wakes) -> (Self, Answer) {
        let (answer, outcome) = oneshot::channel();
        (Job { steps, touches: Vec::new(), wakes, waits_for_company: false, answer }, outcome)
    }

    pub(super) fn of<D: Dialect>(unit: Unit, node: &str) -> Result<(Self, Answer)> {
        let timers = unit.timers.iter().any(|change| matches!(change, Pending::Set(_)));
        let wakes = Wakes { outbox: !unit.events.is_empty(), timers };
        let touches = unit.writes.iter().filter_map(touched).collect();
        let rows = unit.writes.iter().map(row::<D>);
        let events = unit.events.into_iter().map(|event| outbox::add(node, Arc::new(event)));
        let mut steps = rows.chain(events).collect::<Result<Vec<_>>>()?;
        steps.extend(unit.journal.into_iter().map(journal::change::<D>));
        steps.extend(unit.timers.into_iter().map(|change| timers::change::<D>(node, change)));
        steps.extend(outbox::forget(node, &unit.delivered));
        let (mut job, answer) = Self::new(steps, wakes);
        job.touches = touches;
        Ok((job, answer))
    }

    /// Gives its numbered steps the next numbers of this node.
    pub(super) fn number(&mut self, last: &mut i64) {
        for step in &mut self.steps {
            if let Step::Numbered(statement) | Step::Told(statement, ..) = step {
                *last += 1;
                statement.number(*last);
            }
            if let Step::Told(.., number) = step {
                *number = *last;
            }
        }
    }

    /// Its facts, with their numbers.
    pub(super) fn told(&self) -> impl Iterator<Item = (i64, Arc<Event>)> {
        self.steps.iter().filter_map(|step| match step {
            Step::Told(_, event, number) => Some((*number, event.clone())),
            Step::Insert(_) | Step::Update { .. } | Step::Numbered(_) | Step::Plain(_) => None,
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
            | Step::Plain(statement) => Asked::of(statement),
        }
    }
}

/// A new row is nobody's yet.
fn touched(write: &Write) -> Option<Key> {
    match write {
        Write::Insert { .. } | Write::Record { .. } => None,
        Write::Update { resource, id, .. } => Some((resource.name, *id)),
    }
}

fn row<D: Dialect>(write: &Write) -> Result<Step> {
    match write {
        Write::Insert { resource, row } => Statement::insert(resource, row).map(Step::Insert),
        Write::Record { resource, row } => Statement::record::<D>(resource, row).map(Step::Plain),
        Write::Update { resource, id, scope, patch, rev } => Ok(Step::Update {
            change: Statement::update(resource, *id, *scope, (patch, *rev))?,
            subject: Subject::Row(resource, *id, *scope),
        }),
    }
}
