//! The writer owns the one write connection. A caller that goes away loses its answer, never a transaction.
//!
//! While one batch reaches the disk the next one fills, so it does not linger, but for jobs that say that they can
//! wait. The writer is never aborted: it ends when the last sender is gone and the queue is empty.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures_util::FutureExt as _;
use protocol::time::Time;
use protocol::{Error, Result, Status};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::batch::Batch;
use super::dialect::Dialect;
use super::failure::{self, Failure};
use super::figures::Commits;
use super::job::{Answer, Job, Numbers, Wakes};
use super::pulse::Pulse;
use super::recent::Recent;
use super::statement::Statement;
use super::tail::Tail;

/// Jobs in one transaction: more gains nothing (measured) and makes the first one wait.
const MOST: usize = 256;
/// Jobs that wait. Beyond that callers wait for a place, and not for long.
const QUEUE: usize = 4 * MOST;
const PLACE_LIMIT: Duration = Duration::from_secs(5);
/// Of a database whose answers come from this machine's disk, however slow. The writer goes on with it.
const DISK_LIMIT: Duration = Duration::from_secs(30);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A connection that was used a moment ago needs no ping: it would double the cost of a question.
pub(super) const TRUSTED: Duration = Duration::from_secs(1);
/// Of a connection that was not used for a while.
const PING_LIMIT: Duration = Duration::from_secs(2);
/// How often a job that lost a deadlock is tried.
const ATTEMPTS: u32 = 2;

/// The callers' end of the writer.
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    /// Told when it has ended.
    end: tokio::sync::Mutex<Option<oneshot::Receiver<()>>>,
    committed: watch::Receiver<u64>,
    timed: watch::Sender<Time>,
    /// Where the database may stand still.
    pulse: Option<Pulse>,
}

impl Writer {
    /// `last` is the largest number in use.
    ///
    /// # Errors
    /// No thread was to be had.
    pub(super) fn start<D: Dialect>(
        options: D::Options,
        conn: D::Connection,
        last: i64,
        (fence, recent, tail): (Option<Statement>, Option<Arc<Recent>>, Arc<Tail>),
        pulse: Option<Pulse>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (woken, committed, timed) = Woken::new();
        let (conn, figures) = (Some((conn, Instant::now())), Commits::default());
        let last = Numbers { entry: last, fact: last };
        let task = Task::<D> { options, conn, last, woken, fence, recent, tail, figures };
        let end = tokio::sync::Mutex::new(Some(begin(task, queue)?));
        Ok(Writer { jobs: Mutex::new(Some(jobs)), end, committed, timed, pulse })
    }

    pub(super) async fn commit(&self, (job, outcome): (Job, Answer)) -> Result<()> {
        self.accept(job).await?;
        let answered = async { outcome.await.unwrap_or_else(|_| Err(failure::closed())) };
        let Some(pulse) = &self.pulse else {
            return timeout(DISK_LIMIT, answered).await.unwrap_or_else(|_| Err(failure::silent()));
        };
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

    pub(super) async fn accept(&self, job: Job) -> Result<()> {
        let jobs = self.jobs().ok_or_else(failure::closed)?;
        jobs.send_timeout(job, PLACE_LIMIT).await.map_err(|refused| match refused {
            mpsc::error::SendTimeoutError::Timeout(_) => Error::unavailable("too many changes are waiting"),
            mpsc::error::SendTimeoutError::Closed(_) => failure::closed(),
        })
    }

    /// Jobs that are not yet in a transaction.
    pub(super) fn waiting(&self) -> usize {
        self.jobs().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }

    pub(super) fn committed(&self) -> watch::Receiver<u64> {
        self.committed.clone()
    }

    pub(super) fn timed(&self) -> watch::Receiver<Time> {
        self.timed.subscribe()
    }

    /// The timers are being read: whoever wants them knows of all that are stored by now.
    pub(super) fn timers_are_read(&self) {
        self.timed.send_if_modified(|at| {
            *at = Time::MAX_UTC;
            false
        });
    }

    pub(super) fn is_alive(&self) -> bool {
        self.jobs().is_some_and(|jobs| !jobs.is_closed())
    }

    /// Returns when everything that was accepted is answered.
    pub(super) async fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut end = self.end.lock().await;
        if let Some(running) = end.as_mut()
            && running.await.is_err()
        {
            tracing::error!("the writer of the store has failed");
        }
        end.take();
    }

    fn jobs(&self) -> Option<mpsc::Sender<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Those who wait for commits.
struct Woken {
    outbox: watch::Sender<u64>,
    timers: watch::Sender<Time>,
}

impl Woken {
    fn new() -> (Self, watch::Receiver<u64>, watch::Sender<Time>) {
        let (outbox, committed) = watch::channel(0);
        let timers = watch::Sender::new(Time::MIN_UTC);
        (Woken { outbox, timers: timers.clone() }, committed, timers)
    }

    fn wake(&self, wakes: Wakes) {
        if wakes.outbox {
            self.outbox.send_modify(|count| *count += 1);
        }
        if let Some(set) = wakes.timers {
            self.timers.send_if_modified(|at| {
                let sooner = set < *at;
                *at = set.min(*at);
                sooner
            });
        }
    }
}

/// Where its database is in this process it works, and waits for nobody: on a thread of its own, so that it holds up no
/// worker.
fn begin<D: Dialect>(task: Task<D>, queue: mpsc::Receiver<Job>) -> std::io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    let run = async move {
        task.run(queue).await;
        let _ = ended.send(());
    };
    match D::ALONE {
        true => {
            let runtime = Handle::current();
            thread::Builder::new().name("store".to_owned()).spawn(move || runtime.block_on(run))?;
        }
        #[expect(clippy::disallowed_methods, reason = "the writer owns its task and close() awaits its end")]
        false => drop(tokio::spawn(run)),
    }
    Ok(end)
}

struct Task<D: Dialect> {
    options: D::Options,
    /// With the time of its last use. Gone after any doubt about its state; the next batch opens another.
    conn: Option<(D::Connection, Instant)>,
    last: Numbers,
    woken: Woken,
    /// What every transaction begins with, where another process may take this node's name.
    fence: Option<Statement>,
    recent: Option<Arc<Recent>>,
    tail: Arc<Tail>,
    figures: Commits,
}

impl<D: Dialect> Task<D> {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let (mut jobs, mut open) = (Vec::<Job>::with_capacity(MOST), true);
        while open {
            open = gather(&mut queue, &mut jobs).await;
            jobs.retain(|job| job.is_left || !job.answer.is_closed());
            // `reply` lets them go
            if let Some(recent) = &self.recent {
                recent.hold(jobs.iter().flat_map(|job| &job.touches));
            }
            match self.transact(&mut jobs).await {
                // one job was refused, or the batch lost a deadlock: its neighbours must not pay for it
                Err(failure) if failure.is_refusal() => {
                    for job in jobs.drain(..) {
                        self.alone(job).await;
                    }
                }
                outcome => self.reply(&mut jobs, outcome),
            }
        }
        if let Some((conn, _)) = self.conn.take() {
            // everything is committed: what closing says changes nothing
            let _ = timeout(CONNECT_LIMIT, D::close(conn)).await;
        }
    }

    async fn alone(&mut self, mut job: Job) {
        let mut outcome = self.transact(std::slice::from_mut(&mut job)).await;
        for _ in 1..ATTEMPTS {
            if !matches!(&outcome, Err(failure) if failure.is_busy::<D>()) {
                break;
            }
            outcome = self.transact(std::slice::from_mut(&mut job)).await;
        }
        self.reply(&mut vec![job], outcome);
    }

    async fn transact(&mut self, jobs: &mut [Job]) -> Result<Vec<Result<()>>, Failure> {
        let since = Instant::now();
        let outcome = self.soundly(jobs).await;
        self.figures.ended(since, jobs.len(), &outcome);
        outcome
    }

    /// Bytes that make no sense can make the driver panic: the connection is gone with it, the writer goes on.
    async fn soundly(&mut self, jobs: &mut [Job]) -> Result<Vec<Result<()>>, Failure> {
        let outcome = AssertUnwindSafe(self.together(jobs)).catch_unwind().await;
        outcome.unwrap_or(Err(Failure::Commit(sqlx::Error::WorkerCrashed)))
    }

    /// One transaction. The connection returns to its place only from a state that is known.
    async fn together(&mut self, jobs: &mut [Job]) -> Result<Vec<Result<()>>, Failure> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let conn = self.connection().await.map_err(Failure::Begin)?;
        // also when nothing is stored: a number is never tried twice
        jobs.iter_mut().for_each(|job| job.number(&mut self.last));
        let batch = Batch { jobs, fence: self.fence.as_ref() };
        let (outcome, conn) = batch.store::<D>(conn).await;
        self.conn = conn.map(|conn| (conn, Instant::now()));
        let answers = outcome?;
        let stored = jobs.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
        self.tail.add(stored.flat_map(|(job, _)| job.told()).collect());
        Ok(answers)
    }

    async fn connection(&mut self) -> sqlx::Result<D::Connection> {
        if let Some((mut conn, used)) = self.conn.take()
            && (used.elapsed() < TRUSTED || within(PING_LIMIT, D::ping(&mut conn)).await.is_ok())
        {
            return Ok(conn);
        }
        let mut conn = connect::<D>(&self.options).await?;
        prepare::<D>(&mut conn).await?;
        Ok(conn)
    }

    fn reply(&self, jobs: &mut Vec<Job>, outcome: Result<Vec<Result<()>>, Failure>) {
        if let Some(recent) = &self.recent {
            let is_stored =
                |at| outcome.as_ref().is_ok_and(|answers| answers.get(at).is_some_and(Result::is_ok));
            let touches = jobs.iter().enumerate().map(|(at, job)| (&job.touches, is_stored(at)));
            recent.settle(touches.flat_map(|(all, stored)| all.iter().map(move |touch| (touch, stored))));
        }
        match outcome {
            Ok(answers) => {
                let stored = jobs.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
                self.woken.wake(stored.fold(Wakes::NOBODY, |all, (job, _)| all.and(job.wakes)));
                jobs.drain(..).zip(answers).for_each(|(job, answer)| answered(job, answer));
            }
            Err(failure) => {
                // what may be stored must be looked for
                let stored = matches!(failure, Failure::Commit(_));
                let error = failure.answer::<D>();
                jobs.drain(..).for_each(|job| answered(job, Err(error())));
                if stored {
                    self.tail.doubt(self.last.fact);
                    self.woken.wake(Wakes::ALL);
                }
            }
        }
    }
}

/// Takes the jobs that are there, or come. False: there will be no others.
async fn gather(queue: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>) -> bool {
    let mut until = None;
    loop {
        let came = queue.recv_many(jobs, MOST - jobs.len());
        let came = match until {
            None => came.await,
            Some(until) => match timeout_at(until, came).await {
                Ok(came) => came,
                Err(_) => return true,
            },
        };
        let patience = jobs.iter().map(|job| job.patience).min().unwrap_or_default();
        if came == 0 || jobs.len() >= MOST || patience.is_zero() {
            return came > 0;
        }
        let patient = Instant::now() + patience;
        until = until.map_or(Some(patient), |until| Some(patient.min(until)));
    }
}

/// A connection on which each statement stands alone.
pub(super) async fn connect<D: Dialect>(options: &D::Options) -> sqlx::Result<D::Connection> {
    within(CONNECT_LIMIT, async {
        let mut conn = D::connect(options).await?;
        say_all::<D>(&mut conn, D::SETUP).await?;
        Ok(conn)
    })
    .await
}

/// Makes it one for transactions.
pub(super) async fn prepare<D: Dialect>(conn: &mut D::Connection) -> sqlx::Result<()> {
    within(CONNECT_LIMIT, say_all::<D>(conn, D::WRITES)).await
}

async fn say_all<D: Dialect>(conn: &mut D::Connection, all: &[&str]) -> sqlx::Result<()> {
    for one in all {
        D::say(conn, one).await?;
    }
    Ok(())
}

pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|late| Err(sqlx::Error::Io(late.into())))
}

/// A caller that has left does not want its answer.
fn answered(job: Job, outcome: Result<()>) {
    if let (true, Err(error)) = (job.is_left, &outcome) {
        tracing::warn!(%error, "what nobody waits for is not stored");
    }
    let _ = job.answer.send(outcome);
}
