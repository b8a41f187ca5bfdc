//! One transaction of the writer: its jobs, between BEGIN and COMMIT.

use std::borrow::Cow;
use std::sync::LazyLock;

use protocol::{Error, Result};

use super::dialect::{Asked, Dialect, Failed, Fault, Why};
use super::failure::{self, Failure};
use super::job::{Job, Step, Subject};
use super::outbox;
use super::statement::Statement;
use super::writer::within;

/// What a refused job of several in one transaction goes back to.
static MARK: LazyLock<Statement> = LazyLock::new(|| Statement::new("SAVEPOINT job"));
const BACK: &str = "ROLLBACK TO SAVEPOINT job";
static COMMIT: LazyLock<Statement> = LazyLock::new(|| Statement::new("COMMIT"));

/// What is stored together. A job that is refused leaves no trace, and its neighbours go on.
pub(super) struct Batch<'a> {
    pub(super) jobs: &'a [Job],
    /// It matches one row, and locks it, as long as this node is itself.
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
        let lead = self.fence.map(|fence| self.lead(fence, marks));
        begin::<D>(conn, lead.as_ref()).await?;
        let done = lead.and_then(|lead| lead.of);
        let mut answers = Answers::with_capacity(self.jobs.len());
        for job in self.jobs {
            let marked = marks && job.can_be_refused();
            if marked {
                run::<D>(conn, &[Asked::of(&MARK)]).await.map_err(|failed| Failure::Apply(failed.into()))?;
            }
            let refusal = apply::<D>(conn, job, done).await?;
            let goes_on = refusal.is_none() || marked;
            if refusal.is_some() {
                say::<D>(conn, if marked { BACK } else { "ROLLBACK" }).await.map_err(Failure::Apply)?;
            }
            answers.push(refusal.map_or(Ok(()), Err));
            if !goes_on {
                return Ok(answers);
            }
        }
        match answers.iter().any(Result::is_ok) {
            true => run::<D>(conn, &[Asked::of(&COMMIT)])
                .await
                .map_err(|failed| uncommitted::<D>(failed.into()))?,
            false => say::<D>(conn, "ROLLBACK").await.map_err(Failure::Apply)?,
        }
        Ok(answers)
    }

    /// A fence of its own is a way to the database and back, so one of the steps is the fence where it can be. Not
    /// where a job that is refused may take it back.
    fn lead<'b>(&'b self, fence: &'b Statement, marks: bool) -> Lead<'b> {
        let steps = || self.jobs.iter().flat_map(|job| &job.steps).filter(|_| !marks);
        let renews = steps().find_map(|step| {
            let Step::Renew(renew) = step else { return None };
            Some(Lead { statement: Cow::Borrowed(renew), of: Some(step) })
        });
        let tells = || {
            steps().find_map(|step| {
                let Step::Told(add, ..) = step else { return None };
                Some(Lead { statement: Cow::Owned(outbox::fenced(add, fence)), of: Some(step) })
            })
        };
        renews.or_else(tells).unwrap_or(Lead { statement: Cow::Borrowed(fence), of: None })
    }
}

/// What a transaction begins with where another process may take this node's name: it matches, and locks, as long as
/// nobody has.
struct Lead<'b> {
    statement: Cow<'b, Statement>,
    /// The step that it does.
    of: Option<&'b Step>,
}

async fn begin<D: Dialect>(conn: &mut D::Connection, lead: Option<&Lead<'_>>) -> Result<(), Failure> {
    let begin = D::BEGIN.map(Statement::new);
    let lead = lead.map(|lead| Asked { statement: &lead.statement, must_match: true });
    let begun: Vec<_> = begin.iter().map(Asked::of).chain(lead).collect();
    run::<D>(conn, &begun).await.map_err(|Failed { at, why }| match why {
        Why::Unmatched => Failure::Fenced,
        Why::Cause(cause) if at == 0 && begin.is_some() => Failure::Begin(cause),
        Why::Cause(cause) => Failure::Apply(cause),
    })
}

/// Why the job must not be stored, if it must not. One of its steps may be done.
async fn apply<D: Dialect>(
    conn: &mut D::Connection,
    job: &Job,
    done: Option<&Step>,
) -> Result<Option<Error>, Failure> {
    let is_open = |step: &&Step| done.is_none_or(|done| !std::ptr::eq(*step, done));
    let steps: Vec<_> = job.steps.iter().filter(is_open).collect();
    let asked: Vec<_> = steps.iter().map(|step| step.asked()).collect();
    let Err(Failed { at, why }) = run::<D>(conn, &asked).await else { return Ok(None) };
    match (why, steps.get(at)) {
        (Why::Unmatched, Some(Step::Update { subject, .. })) => unmatched::<D>(conn, subject).await.map(Some),
        (Why::Unmatched, _) => Ok(Some(Error::conflict())),
        (Why::Cause(cause), Some(Step::Insert(_) | Step::Update { .. })) if is_taken(&cause) => {
            Ok(Some(failure::taken()))
        }
        (Why::Cause(cause), _) => Err(Failure::Apply(cause)),
    }
}

fn is_taken(cause: &sqlx::Error) -> bool {
    cause.as_database_error().is_some_and(|cause| cause.is_unique_violation())
}

/// A change has matched nothing: its subject is gone, or it was changed meanwhile.
async fn unmatched<D: Dialect>(conn: &mut D::Connection, subject: &Subject) -> Result<Error, Failure> {
    let found = within(D::SILENCE, D::fetch(conn, &subject.exists())).await.map_err(Failure::Apply)?;
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

/// What is not answered in time failed nowhere in particular.
async fn run<D: Dialect>(conn: &mut D::Connection, statements: &[Asked<'_>]) -> Result<(), Failed> {
    let run = async { Ok(D::run(conn, statements).await) };
    within(D::SILENCE, run).await.unwrap_or_else(|cause| Err(Failed::new(usize::MAX)(cause)))
}

async fn say<D: Dialect>(conn: &mut D::Connection, sql: &str) -> sqlx::Result<()> {
    within(D::SILENCE, D::say(conn, sql)).await
}
