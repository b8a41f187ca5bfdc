//! Reads of MySQL: each has a connection of the pool, for as long as the server may take.
//!
//! The connection that was used last is used next: its statements are prepared, and it is known to be well. sqlx's own
//! pool takes them in turn, and asks each that comes back whether it is well, in a task for that: a second way to the
//! server for every read.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use protocol::ports::Load;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{ConnectOptions as _, Connection as _, MySql};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::super::dialect::{Connections, Dialect as _};
use super::super::pulse::Pulse;
use super::super::statement::Statement;
use super::super::writer::TRUSTED;

/// How long a read waits for a connection, and how long it may take.
const PLACE_LIMIT: Duration = Duration::from_secs(3);
const READ_LIMIT: Duration = Duration::from_secs(30);
/// One that does not answer the ping is closed, and there may be several.
const PING_LIMIT: Duration = Duration::from_secs(1);
/// One that nobody needed for so long is closed when somebody needs one: what is between here and there may have
/// forgotten it.
const KEPT: Duration = Duration::from_secs(600);
/// Between the tries to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections for reads. They are made when they are needed.
pub(crate) struct Pool {
    options: MySqlConnectOptions,
    most: u32,
    places: Semaphore,
    /// With the time of their last use, the last one last.
    idle: Mutex<Vec<(MySqlConnection, Instant)>>,
}

impl Connections for Pool {
    type Options = MySqlConnectOptions;
    type Row = MySqlRow;

    fn new(options: MySqlConnectOptions, most: u32) -> Pool {
        Pool { options, most, places: Semaphore::new(most as usize), idle: Mutex::default() }
    }

    async fn read(&self, statement: Statement, pulse: Option<&Pulse>) -> sqlx::Result<Vec<MySqlRow>> {
        let mut lent = unless_silent(pulse, self.lend(), false).await?;
        // bytes that make no sense can make the driver panic: the connection is to blame, not the caller
        let fetched = AssertUnwindSafe(lent.fetch(&statement)).catch_unwind();
        let fetched = fetched.map(|fetched| fetched.unwrap_or(Err(sqlx::Error::WorkerCrashed)));
        let fetched = timeout(READ_LIMIT, unless_silent(pulse, fetched, true)).await;
        let fetched = fetched.unwrap_or_else(|late| Err(sqlx::Error::Io(late.into())));
        if matches!(&fetched, Ok(_) | Err(sqlx::Error::Database(_))) {
            lent.give_back();
        }
        fetched
    }

    fn load(&self) -> Load {
        let (most, idle) = (self.most as usize, self.idle().len());
        Load { busy: most.saturating_sub(self.places.available_permits()), idle, most, waiting: 0 }
    }

    fn is_open(&self) -> bool {
        !self.places.is_closed()
    }

    /// One that is still at work after a while is closed when it has its answer.
    async fn close(&self) {
        let _ = timeout(PLACE_LIMIT, self.places.acquire_many(self.most)).await;
        self.places.close();
        let idle = std::mem::take(&mut *self.idle());
        let goodbye = async {
            for (conn, _) in idle {
                // what closing says changes nothing
                let _ = conn.close().await;
            }
        };
        // a connection that does not close in time is closed by the end of the process
        let _ = timeout(PLACE_LIMIT, goodbye).await;
    }
}

impl Pool {
    async fn lend(&self) -> sqlx::Result<Lent<'_>> {
        let lent = timeout(PLACE_LIMIT, async {
            let place = self.places.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
            Ok(Lent { conn: Some(self.connection().await?), pool: self, _place: place })
        });
        lent.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn connection(&self) -> sqlx::Result<MySqlConnection> {
        loop {
            let Some((mut conn, used)) = self.idle().pop() else { break };
            let is_well = match used.elapsed() {
                just if just < TRUSTED => true,
                long if long > KEPT => false,
                _ => matches!(timeout(PING_LIMIT, conn.ping()).await, Ok(Ok(()))),
            };
            if is_well {
                return Ok(conn);
            }
        }
        loop {
            match self.options.connect().await {
                // a server that is just starting
                Err(sqlx::Error::Io(_)) => sleep(PAUSE).await,
                connected => return connected,
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(MySqlConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that waits for an answer. If it is dropped before it was given back it is closed at once, and its place
/// is free: what still comes on it may be the answer to this question, or nothing ever.
struct Lent<'p> {
    conn: Option<MySqlConnection>,
    pool: &'p Pool,
    _place: SemaphorePermit<'p>,
}

impl Lent<'_> {
    async fn fetch(&mut self, statement: &Statement) -> sqlx::Result<Vec<MySqlRow>> {
        let conn = self.conn.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        MySql::fetch(conn, statement).await
    }

    fn give_back(mut self) {
        if let Some(conn) = self.conn.take().filter(|_| self.pool.is_open()) {
            self.pool.idle().push((conn, Instant::now()));
        }
    }
}

async fn unless_silent<T>(
    pulse: Option<&Pulse>,
    work: impl Future<Output = sqlx::Result<T>>,
    is_answer: bool,
) -> sqlx::Result<T> {
    let Some(pulse) = pulse else { return work.await };
    let asked = pulse.ask();
    tokio::select! {
        outcome = work => {
            // no connection is no word of the database, and neither is one that lay ready
            if is_answer && matches!(&outcome, Ok(_) | Err(sqlx::Error::Database(_))) {
                asked.answered();
            }
            outcome
        }
        () = pulse.stops() => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}
