//! The few places where SQLite and MySQL differ. Sealed: two dialects, one conformance suite.

use std::future::Future;
use std::time::Duration;

use protocol::Kind;
use protocol::ports::Load;
use serde_json::Value;
use sqlx::error::DatabaseError;

use super::pulse::Pulse;
use super::statement::Statement;

pub(super) mod sealed {
    pub(crate) trait Sealed {}
}

/// What an error of the database means for the one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The disk or a quota is full: nothing was changed.
    Full,
    /// A lost deadlock or a lock that was not granted in time: the same may succeed if tried again.
    Busy,
    Other,
}

pub(crate) trait Dialect: sealed::Sealed + Sized + 'static {
    /// Where the database is.
    type Options: Clone + Send + Sync + 'static;
    type Connection: Send + 'static;
    type Row: Send + 'static;
    type Pool: Connections<Options = Self::Options, Row = Self::Row>;

    /// The database is in this process, which has it to itself: it knows of every change, and who asks it does not
    /// wait for others but works. Its writer has a thread of its own.
    const ALONE: bool;
    /// Begins a transaction of the writer. It takes the write lock at once: a deferred upgrade fails instead of
    /// waiting. `None`: its first statement does.
    const BEGIN: Option<&'static str>;
    /// An index can leave out rows by what is in them.
    const PARTIAL: bool;
    /// After `LIMIT`, with one value.
    const LIMIT: &'static str;
    /// A text: a connection that is silent for longer is given up, because what it waits
    /// for may never come.
    const SILENCE: Duration;
    /// What is said on a new connection.
    const SETUP: &'static [&'static str];
    /// What the writer says on it after that, before its first transaction.
    const WRITES: &'static [&'static str];
    /// After the columns of a new table.
    const OPTIONS: &'static str;
    /// Before the name of the index that a page is read from.
    const FORCE: Option<&'static str>;
    /// After an INSERT that does nothing when the id is taken.
    const UNLESS_TAKEN: &'static str;
    /// Pairs of table and column, and of table and index, of everything there is.
    const COLUMNS: &'static str;
    const INDEXES: &'static str;

    fn column(kind: Kind, short: bool) -> &'static str;
    /// A default of a column of this kind, from an SQL literal.
    fn default(kind: Kind, short: bool, literal: &str) -> String;
    /// The name of an index: SQLite's are names of the whole database.
    fn index(table: &str, name: &str) -> String;
    /// Makes `column` unique among live rows where it is not `empty`: added columns, and the index.
    fn unique(table: &str, column: &str, kind: &str, empty: &str) -> Unique;
    /// Makes an INSERT replace these columns when the key is taken.
    fn upsert(key: &str, columns: &[&str]) -> String;
    fn fault(error: &dyn DatabaseError) -> Fault;

    fn pull(row: &Self::Row, at: usize, kind: Kind) -> sqlx::Result<Value>;

    fn connect(options: &Self::Options) -> impl Future<Output = sqlx::Result<Self::Connection>> + Send;
    /// Is it still there?
    fn ping(conn: &mut Self::Connection) -> impl Future<Output = sqlx::Result<()>> + Send;
    fn close(conn: Self::Connection) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Keeps other nodes from migrating the same database. `false`: another one held on for too long.
    fn lock(conn: &mut Self::Connection) -> impl Future<Output = sqlx::Result<bool>> + Send;
    /// Ends what `lock` began and makes it durable. Closing the connection instead undoes the lock, too.
    fn unlock(conn: &mut Self::Connection) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Text without values, never prepared: MySQL refuses to prepare some of it.
    fn say(conn: &mut Self::Connection, sql: &str) -> impl Future<Output = sqlx::Result<()>> + Send;
    /// Runs statements in their order, up to the first that fails, or matches nothing although it must.
    fn run(
        conn: &mut Self::Connection,
        statements: &[Asked<'_>],
    ) -> impl Future<Output = Result<(), Failed>> + Send;
    fn fetch(
        conn: &mut Self::Connection,
        statement: &Statement,
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;
}

/// The connections that reads share.
pub(crate) trait Connections: Send + Sync + 'static {
    type Options;
    type Row;

    /// At most so many; they are made when they are needed.
    fn new(options: Self::Options, most: u32) -> Self;
    /// As [`Dialect::fetch`], on one of them. `pulse` hears whether the database says anything.
    fn read(
        &self,
        statement: Statement,
        pulse: Option<&Pulse>,
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;
    fn load(&self) -> Load;
    fn is_open(&self) -> bool;
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// A statement that is to be run.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) statement: &'a Statement,
    pub(crate) must_match: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(statement: &'a Statement) -> Self {
        Asked { statement, must_match: false }
    }
}

/// The place of a statement that failed among those that ran together.
pub(crate) struct Failed {
    pub(crate) at: usize,
    pub(crate) why: Why,
}

pub(crate) enum Why {
    Cause(sqlx::Error),
    /// It must match a row and there was none.
    Unmatched,
}

impl Failed {
    pub(crate) fn new(at: usize) -> impl FnOnce(sqlx::Error) -> Failed {
        move |cause| Failed { at, why: Why::Cause(cause) }
    }
}

impl From<Failed> for sqlx::Error {
    fn from(failed: Failed) -> sqlx::Error {
        match failed.why {
            Why::Cause(cause) => cause,
            Why::Unmatched => sqlx::Error::RowNotFound,
        }
    }
}

/// How a dialect keeps a value unique among live rows.
pub(crate) struct Unique {
    /// A column that exists for the index only: its name and definition.
    pub(crate) column: Option<(String, String)>,
    pub(crate) index: (String, String),
}
