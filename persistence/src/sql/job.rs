//! A unit as the statements that the writer will run. Built in the caller's task: the writer only executes.

use std::sync::Arc;

use protocol::ports::{Unit, Write};
use protocol::{Error, Event, Kind, Result};
use sqlx::AssertSqlSafe;
use tokio::sync::oneshot;

use super::dialect::{Dialect, Failed};
use super::recent::Key;
use super::statement::Statement;
use super::{failure, journal, outbox, timers};

pub(super) enum Step {
    Insert(Statement),
    /// `exists` tells a changed row from a missing one.
    Update {
        change: Statement,
        exists: Statement,
    },
    /// Its last value is the next number of this node, bound by the writer: numbers follow commits.
    Numbered(Statement),
    /// The same, for a fact.
    Told(Statement, Arc<Event>),
    Plain(Statement),
}

/// What is stored together or not at all.
pub(super) struct Job {
    steps: Vec<Step>,
    /// Rows that it changes.
    pub(super) touches: Vec<Key>,
    /// Somebody waits for events or timers.
    pub(super) wakes: bool,
    pub(super) answer: oneshot::Sender<Result<()>>,
}

pub(super) type Answer = oneshot::Receiver<Result<()>>;

/// Facts with their numbers.
pub(super) type Told = Vec<(i64, Arc<Event>)>;

/// What a refused job of several in one transaction goes back to.
const MARK: &str = "SAVEPOINT job";
const BACK: &str = "ROLLBACK TO SAVEPOINT job";

impl Job {
    pub(super) fn new(steps: Vec<Step>, wakes: bool) -> (Self, Answer) {
        let (answer, outcome) = oneshot::channel();
        (Job { steps, touches: Vec::new(), wakes, answer }, outcome)
    }

    pub(super) fn of<D: Dialect>(unit: Unit, node: &str) -> Result<(Self, Answer)> {
        let wakes = !unit.events.is_empty() || !unit.timers.is_empty();
        let touches = unit.writes.iter().filter_map(touched).collect();
        let rows = unit.writes.iter().map(row);
        let events = unit.events.into_iter().map(|event| outbox::add(node, Arc::new(event)));
        let entries = unit.journal.iter().map(journal::change::<D>);
        let pending = unit.timers.iter().map(|change| timers::change::<D>(node, change));
        let steps = rows.chain(events).chain(entries).chain(pending).collect::<Result<_>>()?;
        let (mut job, answer) = Self::new(steps, wakes);
        job.touches = touches;
        Ok((job, answer))
    }

    /// Runs the steps in the open transaction, as one of `jobs` in it. The outer error is the database's and
    /// ends the transaction; the inner one is this job's, and its neighbours go on: it leaves no trace unless
    /// it is the only one, whose transaction is not committed.
    pub(super) async fn run<D: Dialect>(
        &self,
        conn: &mut D::Connection,
        jobs: usize,
        last: &mut i64,
        told: &mut Told,
    ) -> sqlx::Result<Result<()>> {
        let marked = jobs > 1 && self.can_be_refused();
        let before = told.len();
        let mut statements = Vec::with_capacity(self.steps.len() + 1);
        statements.extend(marked.then(|| Statement::new(MARK)));
        for step in &self.steps {
            statements.push(step.statement(last, told).map_err(|cause| sqlx::Error::Encode(cause.into()))?);
        }
        let done = D::run(conn, &statements).await;
        let refusal = self.refusal::<D>(conn, done, statements.len() - self.steps.len()).await?;
        let Some(refusal) = refusal else { return Ok(Ok(())) };
        told.truncate(before);
        if marked {
            D::say(conn, AssertSqlSafe(BACK)).await?;
        }
        Ok(Err(refusal))
    }

    fn can_be_refused(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Insert(_) | Step::Update { .. }))
    }

    /// Why the job must not be stored, if it must not. `before` statements ran before its own.
    async fn refusal<D: Dialect>(
        &self,
        conn: &mut D::Connection,
        done: Result<Vec<u64>, Failed>,
        before: usize,
    ) -> sqlx::Result<Option<Error>> {
        let matched = match done {
            Ok(matched) => matched,
            Err(Failed { at, cause }) => {
                let step = at.checked_sub(before).and_then(|at| self.steps.get(at));
                let taken = cause.as_database_error().is_some_and(|cause| cause.is_unique_violation());
                return match step {
                    Some(Step::Insert(_) | Step::Update { .. }) if taken => Ok(Some(failure::taken())),
                    _ => Err(cause),
                };
            }
        };
        for (step, matched) in self.steps.iter().zip(matched.into_iter().skip(before)) {
            if let (Step::Update { exists, .. }, 0) = (step, matched) {
                let gone = D::fetch(conn, exists.clone()).await?.is_empty();
                return Ok(Some(if gone { Error::not_found() } else { Error::conflict() }));
            }
        }
        Ok(None)
    }
}

impl Step {
    fn statement(&self, last: &mut i64, told: &mut Told) -> Result<Statement> {
        let statement = match self {
            Step::Insert(statement) | Step::Update { change: statement, .. } | Step::Plain(statement) => {
                return Ok(statement.clone());
            }
            Step::Numbered(statement) | Step::Told(statement, _) => statement,
        };
        *last += 1;
        if let Step::Told(_, event) = self {
            told.push((*last, event.clone()));
        }
        statement.clone().with(Kind::Int, *last)
    }
}

/// A new row is nobody's yet.
fn touched(write: &Write) -> Option<Key> {
    match write {
        Write::Insert { .. } => None,
        Write::Update { resource, id, .. } => Some((resource.name, *id)),
    }
}

fn row(write: &Write) -> Result<Step> {
    match write {
        Write::Insert { resource, row } => Statement::insert(resource, row).map(Step::Insert),
        Write::Update { resource, id, scope, patch, rev } => Ok(Step::Update {
            change: Statement::update(resource, *id, *scope, (patch, *rev))?,
            exists: Statement::exists(resource, *id, *scope)?,
        }),
    }
}
