//! The few places where SQLite and MySQL differ. Sealed: two dialects, one conformance suite.

use std::future::Future;
use std::time::Duration;

use protocol::Kind;
use serde_json::Value;
use sqlx::Database;
use sqlx::error::DatabaseError;

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

pub(crate) trait Dialect: sealed::Sealed + Database<Arguments: Clone + Sync> {
    /// This process has the database to itself, so it knows of every change.
    const ALONE: bool;
    /// Takes the write lock at once: a deferred upgrade fails instead of waiting.
    const BEGIN: &'static str;
    /// Fails when the change before it has matched nothing, where that can be said in SQL: there a whole transaction
    /// is one text.
    const GUARD: Option<&'static str>;
    /// After `LIMIT`, with one value.
    const LIMIT: &'static str;
    /// A text: a connection that is silent for longer is given up, because what it waits
    /// for may never come.
    const SILENCE: Duration;
    /// What the writer says on a new connection.
    const SETUP: &'static [&'static str];
    /// After the columns of a new table.
    const OPTIONS: &'static str;
    /// Before the name of the index that a page is read from.
    const FORCE: Option<&'static str>;
    /// Pairs of table and column, and of table and index, of everything there is.
    const COLUMNS: &'static str;
    const INDEXES: &'static str;

    fn column(kind: Kind, short: bool) -> &'static str;
    /// A default of a column, from an SQL literal.
    fn default(literal: &str) -> String;
    /// The name of an index: SQLite's are names of the whole database.
    fn index(table: &str, name: &str) -> String;
    /// Makes `column` unique among live rows where it is not `empty`: added columns, and the index.
    fn unique(table: &str, column: &str, kind: &str, empty: &str) -> Unique;
    /// Makes an INSERT replace these columns when the key is taken.
    fn upsert(key: &str, columns: &[&str]) -> String;
    fn fault(error: &dyn DatabaseError) -> Fault;

    fn pull(row: &Self::Row, at: usize, kind: Kind) -> sqlx::Result<Value>;

    /// Keeps other nodes from migrating the same database. `false`: another one held on for too long.
    fn lock(conn: &mut Self::Connection) -> impl Future<Output = sqlx::Result<bool>> + Send;
    /// Ends what `lock` began and makes it durable. Closing the connection instead undoes the lock, too.
    fn unlock(conn: &mut Self::Connection) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Text without values, never prepared: MySQL refuses to prepare some of it.
    fn say(
        conn: &mut Self::Connection,
        sql: impl sqlx::SqlSafeStr + Send,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
    /// Runs statements in their order and answers how many rows each has matched. One that fails is the
    /// last that ran.
    fn run(
        conn: &mut Self::Connection,
        statements: &[&Statement],
    ) -> impl Future<Output = Result<Vec<u64>, Failed>> + Send;
    fn fetch(
        conn: &mut Self::Connection,
        statement: Statement,
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;
}

/// The place of a statement that failed among those that ran together, and why.
pub(crate) struct Failed {
    pub(crate) at: usize,
    pub(crate) cause: sqlx::Error,
}

/// How a dialect keeps a value unique among live rows.
pub(crate) struct Unique {
    /// A column that exists for the index only: its name and definition.
    pub(crate) column: Option<(String, String)>,
    pub(crate) index: (String, String),
}
