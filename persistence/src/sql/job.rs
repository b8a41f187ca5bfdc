//! A unit as the statements that the writer will run. Built in the caller's task: the writer only executes.

use protocol::ports::{Unit, Write};
use protocol::{Error, Result};
use sqlx::Connection;
use tokio::sync::oneshot;

use super::dialect::Dialect;
use super::recent::Key;
use super::statement::Statement;
use super::{failure, journal, outbox, timers};

pub(super) enum Step<D: Dialect> {
    Insert(Statement<D>),
    /// `exists` tells a changed row from a missing one.
    Update {
        change: Statement<D>,
        exists: Statement<D>,
    },
    /// Its last value is the next number of this node, bound by the writer: numbers follow commits.
    Numbered(Statement<D>),
    Plain(Statement<D>),
}

/// What is stored together or not at all.
pub(super) struct Job<D: Dialect> {
    steps: Vec<Step<D>>,
    /// Rows that it changes.
    pub(super) touches: Vec<Key>,
    /// Somebody waits for events or timers.
    pub(super) wakes: bool,
    pub(super) answer: oneshot::Sender<Result<()>>,
}

pub(super) type Answer = oneshot::Receiver<Result<()>>;

impl<D: Dialect> Job<D> {
    pub(super) fn new(steps: Vec<Step<D>>, wakes: bool) -> (Self, Answer) {
        let (answer, outcome) = oneshot::channel();
        (Job { steps, touches: Vec::new(), wakes, answer }, outcome)
    }

    pub(super) fn of(unit: &Unit, node: &str) -> Result<(Self, Answer)> {
        let rows = unit.writes.iter().map(row);
        let events = unit.events.iter().map(|event| outbox::add(node, event));
        let entries = unit.journal.iter().map(journal::change);
        let pending = unit.timers.iter().map(timers::change);
        let steps = rows.chain(events).chain(entries).chain(pending).collect::<Result<_>>()?;
        let (mut job, answer) = Self::new(steps, !unit.events.is_empty() || !unit.timers.is_empty());
        job.touches = unit.writes.iter().filter_map(touched).collect();
        Ok((job, answer))
    }

    /// Runs the steps in the open transaction. The outer error is the database's and ends the transaction;
    /// the inner one is this job's: it leaves no trace and its neighbours go on.
    pub(super) async fn run(&self, conn: &mut D::Connection, last: &mut i64) -> sqlx::Result<Result<()>> {
        if !self.needs_savepoint() {
            return self.steps(conn, last).await;
        }
        let mut savepoint = conn.begin().await?;
        let answer = self.steps(&mut savepoint, last).await?;
        match &answer {
            Ok(()) => savepoint.commit().await?,
            Err(_) => savepoint.rollback().await?,
        }
        Ok(answer)
    }

    /// A refused statement leaves no trace of itself, so only what stands before it needs a savepoint.
    fn needs_savepoint(&self) -> bool {
        self.steps.iter().skip(1).any(|step| matches!(step, Step::Insert(_) | Step::Update { .. }))
    }

    async fn steps(&self, conn: &mut D::Connection, last: &mut i64) -> sqlx::Result<Result<()>> {
        for step in &self.steps {
            if let Err(refusal) = step.run(conn, last).await? {
                return Ok(Err(refusal));
            }
        }
        Ok(Ok(()))
    }
}

impl<D: Dialect> Step<D> {
    async fn run(&self, conn: &mut D::Connection, last: &mut i64) -> sqlx::Result<Result<()>> {
        match self {
            Step::Insert(new) => refuse_taken(D::execute(conn, new.clone()).await),
            Step::Update { change, exists } => match D::execute(conn, change.clone()).await {
                Ok(0) if D::fetch(conn, exists.clone()).await?.is_empty() => Ok(Err(Error::not_found())),
                Ok(0) => Ok(Err(Error::conflict())),
                outcome => refuse_taken(outcome),
            },
            Step::Numbered(statement) => {
                *last += 1;
                let numbered = statement.clone().with(protocol::Kind::Int, *last);
                let numbered = numbered.map_err(|cause| sqlx::Error::Encode(cause.into()))?;
                D::execute(conn, numbered).await.map(|_| Ok(()))
            }
            Step::Plain(statement) => D::execute(conn, statement.clone()).await.map(|_| Ok(())),
        }
    }
}

fn refuse_taken(outcome: sqlx::Result<u64>) -> sqlx::Result<Result<()>> {
    match outcome {
        Err(sqlx::Error::Database(cause)) if cause.is_unique_violation() => Ok(Err(failure::taken())),
        outcome => outcome.map(|_| Ok(())),
    }
}

/// A new row is nobody's yet.
fn touched(write: &Write) -> Option<Key> {
    match write {
        Write::Insert { .. } => None,
        Write::Update { resource, id, .. } => Some((resource.name, *id)),
    }
}

fn row<D: Dialect>(write: &Write) -> Result<Step<D>> {
    match write {
        Write::Insert { resource, row } => Statement::insert(resource, row).map(Step::Insert),
        Write::Update { resource, id, scope, patch, rev } => Ok(Step::Update {
            change: Statement::update(resource, *id, *scope, (patch, *rev))?,
            exists: Statement::exists(resource, *id, *scope)?,
        }),
    }
}
