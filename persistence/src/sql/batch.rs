//! One transaction of the writer: its jobs, between BEGIN and COMMIT.
//!
//! Where SQL can say that a change must have matched ([`Dialect::GUARD`]), BEGIN travels with the first job and COMMIT
//! with the last: there each text costs a way to the connection's thread and back.

use std::sync::LazyLock;

use protocol::{Error, Result};
use sqlx::SqlSafeStr;

use super::dialect::{Dialect, Failed, Fault};
use super::failure::{self, Failure};
use super::job::{Job, Step};
use super::statement::Statement;
use super::writer::within;

/// What a refused job of several in one transaction goes back to.
static MARK: LazyLock<Statement> = LazyLock::new(|| Statement::new("SAVEPOINT job"));
const BACK: &str = "ROLLBACK TO SAVEPOINT job";
static COMMIT: LazyLock<Statement> = LazyLock::new(|| Statement::new("COMMIT"));

/// What is stored together. A job that is refused leaves no trace, and its neighbours go on.
pub(super) struct Batch<'a> {
    pub(super) jobs: &'a [Job],
    /// What the transaction begins with: it must match one row, or this node is not itself any more.
    pub(super) fence: Option<&'a Statement>,
}

type Answers = Vec<Result<()>>;

impl Batch<'_> {
    /// The answers of its jobs, and the connection, if its state is known.
    pub(super) async fn store<D: Dialect>(
        &self,
        mut conn: D::Connection,
    ) -> (Result<Answers, Failure>, Option<D::Connection>) {
        let outcome = self.stored::<D>(&mut conn).await;
        let sound = match &outcome {
            Ok(_) => true,
            Err(failure) => failure.is_refusal() && say::<D>(&mut conn, "ROLLBACK").await.is_ok(),
        };
        (outcome, sound.then_some(conn))
    }

    /// A job is hardly ever refused. Only when one was does each get a mark: marks cost as much as the jobs.
    async fn stored<D: Dialect>(&self, conn: &mut D::Connection) -> Result<Answers, Failure> {
        let answers = self.attempt::<D>(conn, false).await?;
        match self.jobs.len() == 1 || answers.iter().all(Result::is_ok) {
            true => Ok(answers),
            false => self.attempt::<D>(conn, true).await,
        }
    }

    /// Nothing is stored when a job was refused that had no mark to go back to; the others have no answer then.
    async fn attempt<D: Dialect>(&self, conn: &mut D::Connection, marks: bool) -> Result<Answers, Failure> {
        let begin = Statement::new(D::BEGIN);
        let mut ahead = vec![(Role::Begin, &begin)];
        if let Some(fence) = self.fence {
            self.begin::<D>(conn, &begin, fence).await?;
            ahead.clear();
        }
        let (mut answers, guard) = (Answers::with_capacity(self.jobs.len()), D::GUARD.map(Statement::new));
        for (at, job) in self.jobs.iter().enumerate() {
            let marked = marks && job.can_be_refused();
            let mut text = Text(std::mem::take(&mut ahead));
            text.0.extend(marked.then(|| (Role::Mark, &*MARK)));
            text.add(job, guard.as_ref());
            let last = guard.is_some() && at + 1 == self.jobs.len();
            text.0.extend(last.then(|| (Role::Commit, &*COMMIT)));
            match text.run::<D>(conn).await? {
                None if last => return Ok(answered(answers, Ok(()))),
                None => answers.push(Ok(())),
                Some(refusal) if marked => {
                    say::<D>(conn, BACK).await.map_err(Failure::Apply)?;
                    answers.push(Err(refusal));
                }
                Some(refusal) => {
                    say::<D>(conn, "ROLLBACK").await.map_err(Failure::Apply)?;
                    return Ok(answered(answers, Err(refusal)));
                }
            }
        }
        match answers.iter().any(Result::is_ok) {
            true => say::<D>(conn, "COMMIT").await.map_err(uncommitted::<D>)?,
            false => say::<D>(conn, "ROLLBACK").await.map_err(Failure::Apply)?,
        }
        Ok(answers)
    }

    async fn begin<D: Dialect>(
        &self,
        conn: &mut D::Connection,
        begin: &Statement,
        fence: &Statement,
    ) -> Result<(), Failure> {
        let held = run::<D>(conn, &[begin, fence]).await.map_err(|Failed { at, cause }| match at {
            0 => Failure::Begin(cause),
            _ => Failure::Apply(cause),
        })?;
        if held.get(1) == Some(&1) { Ok(()) } else { Err(Failure::Fenced) }
    }
}

fn answered(mut answers: Answers, last: Result<()>) -> Answers {
    answers.push(last);
    answers
}

/// What a statement is in its transaction.
#[derive(Clone, Copy)]
enum Role<'a> {
    Begin,
    Mark,
    Step(&'a Step),
    /// Fails when the change before it has matched nothing. With the statement that says why.
    Guard(&'a Statement),
    Commit,
}

/// Statements that run together, in order.
struct Text<'a>(Vec<(Role<'a>, &'a Statement)>);

impl<'a> Text<'a> {
    fn add(&mut self, job: &'a Job, guard: Option<&'a Statement>) {
        for step in &job.steps {
            self.0.push((Role::Step(step), step.statement()));
            if let (Step::Update { exists, .. }, Some(guard)) = (step, guard) {
                self.0.push((Role::Guard(exists), guard));
            }
        }
    }

    /// Why the job must not be stored, if it must not.
    async fn run<D: Dialect>(&self, conn: &mut D::Connection) -> Result<Option<Error>, Failure> {
        let statements: Vec<_> = self.0.iter().map(|(_, statement)| *statement).collect();
        let matched = match run::<D>(conn, &statements).await {
            Ok(matched) => matched,
            Err(Failed { at, cause }) => return self.failed::<D>(conn, at, cause).await,
        };
        for ((role, _), matched) in self.0.iter().zip(matched) {
            if let (Role::Step(Step::Update { exists, .. }), 0) = (role, matched) {
                return unmatched::<D>(conn, exists).await.map(Some);
            }
        }
        Ok(None)
    }

    async fn failed<D: Dialect>(
        &self,
        conn: &mut D::Connection,
        at: usize,
        cause: sqlx::Error,
    ) -> Result<Option<Error>, Failure> {
        let taken = cause.as_database_error().is_some_and(|cause| cause.is_unique_violation());
        match self.0.get(at).map(|(role, _)| *role) {
            // the connection broke somewhere on the way to the end of the text
            _ if cause.as_database_error().is_none() && self.commits() => Err(Failure::Commit(cause)),
            Some(Role::Begin) => Err(Failure::Begin(cause)),
            Some(Role::Step(Step::Insert(_) | Step::Update { .. })) if taken => Ok(Some(failure::taken())),
            Some(Role::Guard(exists)) => unmatched::<D>(conn, exists).await.map(Some),
            Some(Role::Commit) => Err(uncommitted::<D>(cause)),
            Some(Role::Mark | Role::Step(_)) | None => Err(Failure::Apply(cause)),
        }
    }

    fn commits(&self) -> bool {
        matches!(self.0.last(), Some((Role::Commit, _)))
    }
}

/// A change has matched nothing: its row is gone, or it was changed meanwhile.
async fn unmatched<D: Dialect>(conn: &mut D::Connection, exists: &Statement) -> Result<Error, Failure> {
    let found = within(D::SILENCE, D::fetch(conn, exists.clone())).await.map_err(Failure::Apply)?;
    let gone = found.is_empty();
    Ok(if gone { Error::not_found() } else { Error::conflict() })
}

/// A full disk or a lost lock is a clear no; after anything else the database may have stored it all.
fn uncommitted<D: Dialect>(cause: sqlx::Error) -> Failure {
    match failure::fault::<D>(&cause) {
        Fault::Full | Fault::Busy => Failure::Apply(cause),
        Fault::Other => Failure::Commit(cause),
    }
}

/// A text that is not answered in time failed nowhere in particular.
async fn run<D: Dialect>(conn: &mut D::Connection, statements: &[&Statement]) -> Result<Vec<u64>, Failed> {
    let run = async { Ok(D::run(conn, statements).await) };
    within(D::SILENCE, run).await.unwrap_or_else(|cause| Err(Failed { at: usize::MAX, cause }))
}

async fn say<D: Dialect>(conn: &mut D::Connection, sql: &'static str) -> sqlx::Result<()> {
    within(D::SILENCE, D::say(conn, sql.into_sql_str())).await
}
