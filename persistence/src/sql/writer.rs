//! The writer owns the one write connection. A caller that goes away loses its answer, never a transaction.
//!
//! While one batch reaches the disk the next one fills, so there is nothing to gain from lingering. The
//! writer is never aborted: it ends when the last sender is gone and the queue is empty.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use protocol::{Error, Result, Status};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout};

use super::dialect::{Dialect, Failed, Fault};
use super::failure::{self, Failure};
use super::figures::Commits;
use super::job::{Answer, Job, Told};
use super::pulse::Pulse;
use super::read::TRUSTED;
use super::recent::Recent;
use super::statement::Statement;
use super::tail::Tail;

/// Jobs in one transaction: more gains nothing (measured) and makes the first one wait.
const MOST: usize = 256;
/// Jobs that wait. Beyond that callers wait for a place, and not for long.
const QUEUE: usize = 4 * MOST;
const PLACE_LIMIT: Duration = Duration::from_secs(5);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Of a connection that was not used for a while.
const PING_LIMIT: Duration = Duration::from_secs(2);
/// How often a job that lost a deadlock is tried.
const ATTEMPTS: u32 = 2;

pub(crate) type Options<D> = <<D as sqlx::Database>::Connection as Connection>::Options;

/// The callers' end of the writer.
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    committed: watch::Receiver<u64>,
    /// Where the database may stand still.
    pulse: Option<Pulse>,
}

impl Writer {
    /// `last` is the largest number in use.
    pub(super) fn start<D: Dialect>(
        options: Options<D>,
        conn: D::Connection,
        last: i64,
        (fence, recent, tail): (Option<Statement>, Option<Arc<Recent>>, Arc<Tail>),
        pulse: Option<Pulse>,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (commits, committed) = watch::channel(0);
        let (conn, figures) = (Some((conn, Instant::now())), Commits::default());
        let task = Task::<D> { options, conn, last, commits, fence, recent, tail, figures };
        #[expect(clippy::disallowed_methods, reason = "the writer owns its task and close() awaits it")]
        let task = tokio::spawn(task.run(queue));
        Writer { jobs: Mutex::new(Some(jobs)), task: tokio::sync::Mutex::new(Some(task)), committed, pulse }
    }

    pub(super) async fn commit(&self, (job, outcome): (Job, Answer)) -> Result<()> {
        let jobs = self.jobs().ok_or_else(failure::closed)?;
        jobs.send_timeout(job, PLACE_LIMIT).await.map_err(|refused| match refused {
            mpsc::error::SendTimeoutError::Timeout(_) => Error::unavailable("too many changes are waiting"),
            mpsc::error::SendTimeoutError::Closed(_) => failure::closed(),
        })?;
        drop(jobs);
        let answered = async { outcome.await.unwrap_or_else(|_| Err(failure::closed())) };
        let Some(pulse) = &self.pulse else { return answered.await };
        let asked = pulse.ask();
        tokio::select! {
            outcome = answered => {
                if outcome.as_ref().map_or_else(|error| error.status != Status::Unavailable, |()| true) {
                    asked.answered();
                }
                outcome
            }
            // the writer goes on: it may yet be stored
            () = pulse.stops() => Err(failure::silent()),
        }
    }

    /// Jobs that are not yet in a transaction.
    pub(super) fn waiting(&self) -> usize {
        self.jobs().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }

    pub(super) fn committed(&self) -> watch::Receiver<u64> {
        self.committed.clone()
    }

    pub(super) fn is_alive(&self) -> bool {
        self.jobs().is_some_and(|jobs| !jobs.is_closed())
    }

    /// Returns when everything that was accepted is answered.
    pub(super) async fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut task = self.task.lock().await;
        if let Some(running) = task.as_mut()
            && let Err(error) = running.await
        {
            tracing::error!(%error, "the writer of the store has failed");
        }
        task.take();
    }

    fn jobs(&self) -> Option<mpsc::Sender<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Task<D: Dialect> {
    options: Options<D>,
    /// With the time of its last use. Gone after any doubt about its state; the next batch opens another.
    conn: Option<(D::Connection, Instant)>,
    last: i64,
    commits: watch::Sender<u64>,
    /// What every transaction begins with, where another process may take this node's name.
    fence: Option<Statement>,
    recent: Option<Arc<Recent>>,
    tail: Arc<Tail>,
    figures: Commits,
}

impl<D: Dialect> Task<D> {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(MOST);
        while queue.recv_many(&mut jobs, MOST).await > 0 {
            jobs.retain(|job| !job.answer.is_closed());
            match self.transact(&jobs).await {
                // one job was refused, or the batch lost a deadlock: its neighbours must not pay for it
                Err(failure) if failure.is_refusal() => {
                    for job in jobs.drain(..) {
                        self.alone(job).await;
                    }
                }
                outcome => self.reply(jobs.drain(..), outcome),
            }
        }
        if let Some((conn, _)) = self.conn.take() {
            // everything is committed: what closing says changes nothing
            let _ = timeout(CONNECT_LIMIT, conn.close()).await;
        }
    }

    async fn alone(&mut self, job: Job) {
        let mut outcome = self.transact(std::slice::from_ref(&job)).await;
        for _ in 1..ATTEMPTS {
            if !matches!(&outcome, Err(failure) if failure.is_busy::<D>()) {
                break;
            }
            outcome = self.transact(std::slice::from_ref(&job)).await;
        }
        self.reply([job], outcome);
    }

    async fn transact(&mut self, jobs: &[Job]) -> Result<Vec<Result<()>>, Failure> {
        let since = Instant::now();
        let outcome = self.soundly(jobs).await;
        self.figures.ended(since, jobs.len(), &outcome);
        outcome
    }

    /// Bytes that make no sense can make the driver panic: the connection is gone with it, the writer goes on.
    async fn soundly(&mut self, jobs: &[Job]) -> Result<Vec<Result<()>>, Failure> {
        let outcome = AssertUnwindSafe(self.together(jobs)).catch_unwind().await;
        outcome.unwrap_or(Err(Failure::Commit(sqlx::Error::WorkerCrashed)))
    }

    /// One transaction. The connection returns to its place only from a state that is known.
    async fn together(&mut self, jobs: &[Job]) -> Result<Vec<Result<()>>, Failure> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        // `reply` releases them
        if let Some(recent) = &self.recent {
            recent.hold(jobs.iter().flat_map(|job| &job.touches).copied());
        }
        let mut conn = self.connection().await.map_err(Failure::Begin)?;
        let mut last = self.last;
        let begin = conn.begin_with(D::BEGIN.into_sql_str());
        let mut open = within(D::SILENCE, begin).await.map_err(Failure::Begin)?;
        let applied = apply::<D>(&mut open, self.fence.as_ref(), jobs, &mut last).await;
        // also when nothing is stored: a number is never tried twice
        self.last = last;
        match applied {
            Ok(None) => Err(Failure::Fenced),
            Ok(Some((answers, told))) if answers.iter().any(Result::is_ok) => {
                within(D::SILENCE, open.commit()).await.map_err(uncommitted::<D>)?;
                self.conn = Some((conn, Instant::now()));
                self.tail.add(told);
                Ok(answers)
            }
            Ok(Some((answers, _))) => {
                if within(D::SILENCE, open.rollback()).await.is_ok() {
                    self.conn = Some((conn, Instant::now()));
                }
                Ok(answers)
            }
            Err(cause) => {
                let sound = matches!(cause, sqlx::Error::Database(_));
                if sound && within(D::SILENCE, open.rollback()).await.is_ok() {
                    self.conn = Some((conn, Instant::now()));
                }
                Err(Failure::Apply(cause))
            }
        }
    }

    async fn connection(&mut self) -> sqlx::Result<D::Connection> {
        if let Some((mut conn, used)) = self.conn.take()
            && (used.elapsed() < TRUSTED || within(PING_LIMIT, conn.ping()).await.is_ok())
        {
            return Ok(conn);
        }
        connect::<D>(&self.options).await
    }

    fn reply(&self, jobs: impl IntoIterator<Item = Job>, outcome: Result<Vec<Result<()>>, Failure>) {
        let jobs = jobs.into_iter().inspect(|job| {
            if let Some(recent) = &self.recent {
                recent.release(&job.touches);
            }
        });
        match outcome {
            Ok(answers) => {
                let mut woken = false;
                for (job, answer) in jobs.zip(answers) {
                    woken |= job.wakes && answer.is_ok();
                    answered(job.answer, answer);
                }
                if woken {
                    self.commits.send_modify(|count| *count += 1);
                }
            }
            Err(failure) => {
                // what may be stored must be looked for
                let stored = matches!(failure, Failure::Commit(_));
                let error = failure.answer::<D>();
                jobs.for_each(|job| answered(job.answer, Err(error())));
                if stored {
                    self.tail.doubt(self.last);
                    self.commits.send_modify(|count| *count += 1);
                }
            }
        }
    }
}

/// A connection that is set up for writing.
pub(super) async fn connect<D: Dialect>(options: &Options<D>) -> sqlx::Result<D::Connection> {
    within(CONNECT_LIMIT, async {
        let mut conn: D::Connection = options.connect().await?;
        for setup in D::SETUP {
            D::say(&mut conn, *setup).await?;
        }
        Ok(conn)
    })
    .await
}

/// `None`: this node is not itself any more.
async fn apply<D: Dialect>(
    conn: &mut D::Connection,
    fence: Option<&Statement>,
    jobs: &[Job],
    last: &mut i64,
) -> sqlx::Result<Option<(Vec<Result<()>>, Told)>> {
    if let Some(fence) = fence {
        let fence =
            async { D::run(conn, std::slice::from_ref(fence)).await.map_err(|Failed { cause, .. }| cause) };
        let held = within(D::SILENCE, fence).await?;
        if held != [1] {
            return Ok(None);
        }
    }
    let (mut answers, mut told) = (Vec::with_capacity(jobs.len()), Told::new());
    for job in jobs {
        answers.push(within(D::SILENCE, job.run::<D>(conn, jobs.len(), last, &mut told)).await?);
    }
    Ok(Some((answers, told)))
}

/// A full disk or a lost lock is a clear no; after anything else the database may have stored it all.
fn uncommitted<D: Dialect>(cause: sqlx::Error) -> Failure {
    match failure::fault::<D>(&cause) {
        Fault::Full | Fault::Busy => Failure::Apply(cause),
        Fault::Other => Failure::Commit(cause),
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|late| Err(sqlx::Error::Io(late.into())))
}

/// A caller that has left does not want its answer.
fn answered(answer: oneshot::Sender<Result<()>>, outcome: Result<()>) {
    let _ = answer.send(outcome);
}
