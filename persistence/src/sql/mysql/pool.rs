//! Reads of MySQL: each has a connection of the pool, for as long as the server may take.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Connection as _, MySql, Pool};
use tokio::time::error::Elapsed;
use tokio::time::{Duration, timeout};

use super::super::dialect::Dialect as _;
use super::super::pulse::Pulse;
use super::super::statement::Statement;
use super::super::writer::TRUSTED;

/// How long a read waits for a connection, and how long it may take.
pub(super) const PLACE_LIMIT: Duration = Duration::from_secs(3);
const READ_LIMIT: Duration = Duration::from_secs(30);
/// One that does not answer the ping is closed, and there may be several.
const PING_LIMIT: Duration = Duration::from_secs(1);

pub(super) fn open(options: MySqlConnectOptions, connections: u32) -> Pool<MySql> {
    let pool = PoolOptions::<MySql>::new()
        .max_connections(connections)
        .acquire_timeout(PLACE_LIMIT)
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED {
                    let late = |late: Elapsed| Err(sqlx::Error::Io(late.into()));
                    timeout(PING_LIMIT, conn.ping()).await.unwrap_or_else(late)?;
                }
                Ok(true)
            })
        });
    pool.connect_lazy_with(options)
}

pub(super) async fn read(
    pool: &Pool<MySql>,
    statement: Statement,
    pulse: Option<&Pulse>,
) -> sqlx::Result<Vec<MySqlRow>> {
    let mut lent = Lent(Some(unless_silent(pulse, pool.acquire(), false).await?));
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

/// A connection that waits for an answer. If it is dropped before it was given back it is closed at once, and its place
/// is free: what still comes on it may be the answer to this question, or nothing ever, and the pool would wait for it.
struct Lent(Option<PoolConnection<MySql>>);

impl Lent {
    async fn fetch(&mut self, statement: &Statement) -> sqlx::Result<Vec<MySqlRow>> {
        let conn = self.0.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        MySql::fetch(conn, statement).await
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            drop(conn.detach());
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
