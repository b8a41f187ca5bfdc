//! SQLite, inside this process: who asks it works, and is not asked to wait. Its writer has a thread of its own,
//! which hears of a whole transaction at once and answers when it is on disk; a driver with a thread behind each
//! connection costs a change of threads for every statement.
//!
//! Times are integers of microseconds: eight bytes that sort.

mod pool;

use std::path::PathBuf;
use std::time::Duration;

use protocol::Kind;
use protocol::ports::Bound;
use protocol::time;
use rusqlite::types::{ToSqlOutput, Value as Cell, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, ffi};
use serde_json::Value;
use sqlx::error::{BoxDynError, DatabaseError, ErrorKind};
use uuid::Uuid;

use super::dialect::{Asked, Dialect, Failed, Fault, Unique, Why, sealed};
use super::statement::Statement;
use pool::Pool;

/// Another process (a backup) may hold the write lock for so long.
pub(crate) const LOCK_LIMIT: Duration = Duration::from_secs(5);
/// Statements that stay prepared per connection: a few per resource.
const PREPARED: usize = 512;
const BEGIN: &str = "BEGIN IMMEDIATE";

/// The database of a file.
pub(crate) struct Sqlite;

impl sealed::Sealed for Sqlite {}

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) path: PathBuf,
    /// A value of `PRAGMA synchronous`.
    pub(crate) synchronous: &'static str,
    /// Pages that the database may have.
    pub(crate) most_pages: Option<u32>,
}

/// The cells of a row, in the order of its columns.
pub(crate) struct Cells(Vec<Cell>);

impl Dialect for Sqlite {
    type Options = Options;
    type Connection = Connection;
    type Row = Cells;
    type Pool = Pool;

    const ALONE: bool = true;
    const BEGIN: Option<&'static str> = Some(BEGIN);
    const PARTIAL: bool = true;
    /// For a limit that is a parameter and nothing else it prepares the statement anew, each time.
    const LIMIT: &'static str = "? + 0";
    /// It is never silent: it is at work or it has answered.
    const SILENCE: Duration = Duration::MAX;
    /// What a statement keeps in case it fails is small, and else a file is made for it.
    const SETUP: &'static [&'static str] = &["PRAGMA temp_store = MEMORY"];
    const WRITES: &'static [&'static str] = &[];
    const OPTIONS: &'static str = "";
    const FORCE: Option<&'static str> = None;
    const UNLESS_TAKEN: &'static str = "ON CONFLICT (id) DO NOTHING";
    const COLUMNS: &'static str = "SELECT t.name, c.name FROM sqlite_master t \
         JOIN pragma_table_info(t.name) c WHERE t.type = 'table'";
    const INDEXES: &'static str = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'";

    fn column(kind: Kind, _short: bool) -> &'static str {
        match kind {
            Kind::Id => "BLOB",
            Kind::Text | Kind::Choice(_) | Kind::List | Kind::Map | Kind::Json => "TEXT",
            Kind::Int | Kind::Time => "INTEGER",
            Kind::Bool => "BOOLEAN",
        }
    }

    /// Without brackets: a column that is added later may not have an expression as its default.
    fn default(_kind: Kind, _short: bool, literal: &str) -> String {
        literal.to_owned()
    }

    fn index(table: &str, name: &str) -> String {
        format!("{table}:{name}")
    }

    fn unique(table: &str, column: &str, _kind: &str, empty: &str) -> Unique {
        let name = Self::index(table, &format!("one_{column}"));
        let index = format!(
            "CREATE UNIQUE INDEX `{name}` ON `{table}` (`{column}`) \
             WHERE tm_delete IS NULL AND `{column}` <> {empty}"
        );
        Unique { column: None, index: (name, index) }
    }

    fn upsert(key: &str, columns: &[&str]) -> String {
        let sets: Vec<_> = columns.iter().map(|name| format!("`{name}` = excluded.`{name}`")).collect();
        format!("ON CONFLICT ({key}) DO UPDATE SET {}", sets.join(", "))
    }

    fn fault(error: &dyn DatabaseError) -> Fault {
        let code = error.try_downcast_ref::<Refusal>().map_or(0, |refusal| refusal.code);
        match (code, code & 0xff) {
            (ffi::SQLITE_IOERR_SHMSIZE, _) | (_, ffi::SQLITE_FULL) => Fault::Full,
            (_, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED) => Fault::Busy,
            _ => Fault::Other,
        }
    }

    fn pull(row: &Cells, at: usize, kind: Kind) -> sqlx::Result<Value> {
        let text = |text: &str| serde_json::from_str(text).map_err(|cause| sqlx::Error::Decode(cause.into()));
        Ok(match (kind, row.0.get(at)) {
            (_, Some(Cell::Null)) => Value::Null,
            (Kind::Id, Some(Cell::Blob(bytes))) => {
                Uuid::from_slice(bytes).map_err(decode)?.to_string().into()
            }
            (Kind::Text | Kind::Choice(_), Some(Cell::Text(text))) => text.as_str().into(),
            (Kind::Int, Some(Cell::Integer(number))) => (*number).into(),
            (Kind::Bool, Some(Cell::Integer(number))) => (*number != 0).into(),
            (Kind::List | Kind::Map | Kind::Json, Some(Cell::Text(json))) => text(json)?,
            (Kind::Time, Some(Cell::Integer(micros))) => {
                chrono::DateTime::from_timestamp_micros(*micros).map(time::stamp).into()
            }
            (kind, _) => return Err(decode(format!("column {at} holds no {kind:?}"))),
        })
    }

    async fn connect(options: &Options) -> sqlx::Result<Connection> {
        opened(options).map_err(refused)
    }

    async fn ping(_: &mut Connection) -> sqlx::Result<()> {
        Ok(())
    }

    async fn close(conn: Connection) -> sqlx::Result<()> {
        conn.close().map_err(|(_, cause)| refused(cause))
    }

    /// One transaction is the lock, and makes all of a migration one step.
    async fn lock(conn: &mut Connection) -> sqlx::Result<bool> {
        Self::say(conn, BEGIN).await.map(|()| true)
    }

    async fn unlock(conn: &mut Connection) -> sqlx::Result<()> {
        Self::say(conn, "COMMIT").await
    }

    async fn say(conn: &mut Connection, sql: &str) -> sqlx::Result<()> {
        conn.execute_batch(sql).map_err(refused)
    }

    async fn run(conn: &mut Connection, statements: &[Asked<'_>]) -> Result<(), Failed> {
        for (at, Asked { statement, must_match }) in statements.iter().enumerate() {
            let matched = execute(conn, statement).map_err(refused).map_err(Failed::new(at))?;
            if *must_match && matched == 0 {
                return Err(Failed { at, why: Why::Unmatched });
            }
        }
        Ok(())
    }

    async fn fetch(conn: &mut Connection, statement: &Statement) -> sqlx::Result<Vec<Cells>> {
        query(conn, statement).map_err(refused)
    }
}

fn opened(Options { path, synchronous, most_pages }: &Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    // a connection is in one thread at a time
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(LOCK_LIMIT)?;
    conn.set_prepared_statement_cache_capacity(PREPARED);
    conn.execute_batch(&format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}"))?;
    if let Some(most) = most_pages {
        conn.execute_batch(&format!("PRAGMA max_page_count = {most}"))?;
    }
    Ok(conn)
}

fn execute(conn: &Connection, statement: &Statement) -> rusqlite::Result<usize> {
    prepared(conn, statement)?.raw_execute()
}

fn query(conn: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Cells>> {
    let mut prepared = prepared(conn, statement)?;
    let (width, mut found) = (prepared.column_count(), Vec::new());
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        found.push(Cells((0..width).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?));
    }
    Ok(found)
}

fn prepared<'c>(conn: &'c Connection, statement: &Statement) -> rusqlite::Result<CachedStatement<'c>> {
    let mut prepared = conn.prepare_cached(&statement.sql)?;
    for (at, value) in statement.values.iter().enumerate() {
        prepared.raw_bind_parameter(at + 1, parameter(value))?;
    }
    Ok(prepared)
}

fn parameter(value: &Bound) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Bound::Null => ValueRef::Null,
        Bound::Id(id) => ValueRef::Blob(id.as_bytes()),
        Bound::Text(text) => ValueRef::Text(text.as_bytes()),
        Bound::Int(number) => ValueRef::Integer(*number),
        Bound::Bool(yes) => ValueRef::Integer((*yes).into()),
        Bound::Time(time) => ValueRef::Integer(time.timestamp_micros()),
    })
}

/// What SQLite said, in the form in which the rest of the store hears of databases.
#[derive(Debug)]
struct Refusal {
    /// Extended; the low byte is the primary one.
    code: i32,
    message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl DatabaseError for Refusal {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> BoxDynError {
        self
    }

    fn kind(&self) -> ErrorKind {
        match self.code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => ErrorKind::UniqueViolation,
            _ => ErrorKind::Other,
        }
    }
}

fn refused(cause: rusqlite::Error) -> sqlx::Error {
    let message = cause.to_string();
    match cause.sqlite_error() {
        Some(error) => sqlx::Error::Database(Box::new(Refusal { code: error.extended_code, message })),
        None => decode(message),
    }
}

fn decode(cause: impl Into<BoxDynError>) -> sqlx::Error {
    sqlx::Error::Decode(cause.into())
}
