//! Reads, from a pool of connections of their own: they never wait for the writer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use protocol::ports::Load;
use protocol::{Kind, Resource, Result, Row};
use sqlx::pool::PoolOptions;
use sqlx::{Connection as _, Pool};
use tokio::time::error::Elapsed;
use tokio::time::{Duration, Instant, timeout};
use uuid::Uuid;

use super::dialect::Dialect;
use super::failure;
use super::figures::Reads;
use super::pulse::Pulse;
use super::statement::Statement;
use super::writer::Options;

/// How long a read waits for a connection, and how long it may take.
const PLACE_LIMIT: Duration = Duration::from_secs(3);
const READ_LIMIT: Duration = Duration::from_secs(30);
/// A connection that was used a moment ago needs no ping: it would double the cost of a read.
pub(super) const TRUSTED: Duration = Duration::from_secs(1);
/// One that does not answer the ping is closed, and there may be several.
const PING_LIMIT: Duration = Duration::from_secs(1);

pub(super) struct Reader<D: Dialect> {
    pool: Pool<D>,
    reads: Reads,
    /// Where the database may stand still.
    pulse: Option<Pulse>,
}

impl<D: Dialect> Reader<D> {
    pub(super) fn new(options: Options<D>, connections: u32, pulse: Option<Pulse>) -> Self {
        let pool = PoolOptions::<D>::new()
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
        Reader { pool: pool.connect_lazy_with(options), reads: Reads::default(), pulse }
    }

    pub(super) async fn fetch(&self, statement: Statement) -> Result<Vec<D::Row>> {
        let since = Instant::now();
        let rows = self.ask(statement).await.map_err(refused::<D>);
        self.reads.ended(since, &rows);
        rows
    }

    pub(super) fn load(&self) -> Load {
        let (open, idle) = (self.pool.size() as usize, self.pool.num_idle());
        let most = self.pool.options().get_max_connections() as usize;
        Load { busy: open.saturating_sub(idle), idle, most, waiting: 0 }
    }

    async fn ask(&self, statement: Statement) -> sqlx::Result<Vec<D::Row>> {
        let mut conn = self.unless_silent(self.pool.acquire(), false).await?;
        // bytes that make no sense can make the driver panic: the connection is to blame, not the caller
        let fetched = AssertUnwindSafe(D::fetch(&mut conn, statement)).catch_unwind();
        let fetched = fetched.map(|fetched| fetched.unwrap_or(Err(sqlx::Error::WorkerCrashed)));
        let fetched = timeout(READ_LIMIT, self.unless_silent(fetched, true)).await;
        let fetched = fetched.unwrap_or_else(|late| Err(sqlx::Error::Io(late.into())));
        if matches!(&fetched, Err(cause) if !matches!(cause, sqlx::Error::Database(_))) {
            // what still comes on it may be the answer to this question, or nothing ever
            conn.close_on_drop();
        }
        fetched
    }

    async fn unless_silent<T>(
        &self,
        work: impl Future<Output = sqlx::Result<T>>,
        is_answer: bool,
    ) -> sqlx::Result<T> {
        let Some(pulse) = &self.pulse else { return work.await };
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

    /// Every row, read by `read`.
    pub(super) async fn all<T>(
        &self,
        statement: Statement,
        read: impl Fn(&D::Row) -> sqlx::Result<T>,
    ) -> Result<Vec<T>> {
        let rows = self.fetch(statement).await?;
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(refused::<D>)
    }

    pub(super) async fn rows(&self, resource: &Resource, statement: Statement) -> Result<Vec<Row>> {
        self.all(statement, |row| read::<D>(resource, row)).await
    }

    pub(super) async fn close(&self) {
        // a connection that does not close in time is closed by the end of the process
        let _ = timeout(PLACE_LIMIT, self.pool.close()).await;
    }

    pub(super) fn is_open(&self) -> bool {
        !self.pool.is_closed()
    }
}

fn read<D: Dialect>(resource: &Resource, row: &D::Row) -> sqlx::Result<Row> {
    let columns = resource.columns().enumerate();
    columns.map(|(at, field)| Ok((field.name.to_owned(), D::pull(row, at, field.kind)?))).collect()
}

fn refused<D: Dialect>(cause: sqlx::Error) -> protocol::Error {
    if matches!(cause, sqlx::Error::PoolClosed) {
        return failure::closed();
    }
    failure::explain::<D>(Arc::new(cause))
}

/// A text of our own tables, which are never without one.
pub(super) fn text<D: Dialect>(row: &D::Row, at: usize) -> sqlx::Result<String> {
    Ok(D::pull(row, at, Kind::Text)?.as_str().unwrap_or_default().to_owned())
}

/// An id of our own tables.
pub(super) fn id<D: Dialect>(row: &D::Row, at: usize) -> sqlx::Result<Uuid> {
    let id = D::pull(row, at, Kind::Id)?;
    Ok(id.as_str().and_then(|text| text.parse().ok()).unwrap_or_default())
}

pub(super) fn count<D: Dialect>(row: &D::Row) -> sqlx::Result<u64> {
    Ok(D::pull(row, 0, Kind::Int)?.as_u64().unwrap_or_default())
}
