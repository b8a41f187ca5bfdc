//! The connections that reads of SQLite share.
//!
//! One row by its key is there in some ten microseconds, so whoever wants it reads it; what may read more is sent to
//! a thread that may be held up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::ports::Load;
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Duration, timeout};

use super::super::dialect::Connections;
use super::super::pulse::Pulse;
use super::super::statement::Statement;
use super::{Cells, Options, opened, query, refused};

/// How long a read waits for a connection, and how long it may take.
const PLACE_LIMIT: Duration = Duration::from_secs(3);
const READ_LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Pool {
    lot: Arc<Lot>,
    /// One for each connection that may be open.
    places: Arc<Semaphore>,
    most: u32,
}

/// Connections that nobody uses right now.
struct Lot {
    options: Options,
    idle: Mutex<Vec<Connection>>,
}

impl Connections for Pool {
    type Options = Options;
    type Row = Cells;

    fn new(options: Options, most: u32) -> Self {
        let lot = Arc::new(Lot { options, idle: Mutex::default() });
        Pool { lot, places: Arc::new(Semaphore::new(most as usize)), most }
    }

    async fn read(&self, statement: Statement, _: Option<&Pulse>) -> sqlx::Result<Vec<Cells>> {
        let place = timeout(PLACE_LIMIT, self.places.clone().acquire_owned());
        let place =
            place.await.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        if statement.is_of_one {
            return self.lot.query(&statement);
        }
        let lot = self.lot.clone();
        let read = spawn_blocking(move || {
            let _place = place;
            lot.query(&statement)
        });
        let read = timeout(READ_LIMIT, read).await.map_err(|late| sqlx::Error::Io(late.into()))?;
        read.map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    fn load(&self) -> Load {
        let (most, idle) = (self.most as usize, self.lot.idle().len());
        Load { busy: most.saturating_sub(self.places.available_permits()), idle, most, waiting: 0 }
    }

    fn is_open(&self) -> bool {
        !self.places.is_closed()
    }

    /// What is still being read after a while is ended by the end of the process.
    async fn close(&self) {
        let _ = timeout(PLACE_LIMIT, self.places.acquire_many(self.most)).await;
        self.places.close();
        self.lot.idle().clear();
    }
}

impl Lot {
    /// A connection that has failed is not used again.
    fn query(&self, statement: &Statement) -> sqlx::Result<Vec<Cells>> {
        let idle = self.idle().pop();
        let conn = idle.map_or_else(|| opened(&self.options), Ok).map_err(refused)?;
        let found = query(&conn, statement).map_err(refused)?;
        self.idle().push(conn);
        Ok(found)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
