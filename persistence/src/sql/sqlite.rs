//! SQLite. Times are integers of microseconds: eight bytes that sort; sqlx's text varies in its digits.

use std::time::Duration;

use futures_util::StreamExt as _;
use protocol::Kind;
use serde_json::Value;
use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Either, Executor as _, SqlSafeStr, Sqlite, query_with, raw_sql};

use super::dialect::{Dialect, Failed, Fault, Unique, sealed};
use super::statement::Statement;
use super::value;

impl sealed::Sealed for Sqlite {}

/// Primary result codes, the low byte of what SQLite answers.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const FULL: u32 = 13;
/// `SQLITE_IOERR_SHMSIZE`: the shared memory file of the log could not grow.
const FULL_SHM: u32 = 4874;

/// Texts of at most so many statements stay prepared.
const KEPT: usize = 24;

impl Dialect for Sqlite {
    const ALONE: bool = true;
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    /// There is no integer as large as that one is small.
    const GUARD: Option<&'static str> =
        Some("SELECT abs(changes() - 9223372036854775807 - 1) WHERE changes() = 0");
    /// For a limit that is a parameter and nothing else it prepares the statement anew, each time.
    const LIMIT: &'static str = "? + 0";
    /// Its answers come from this machine's disk, however slow.
    const SILENCE: Duration = Duration::from_secs(30);
    /// What a statement keeps in case it fails is small, and else a file is made for it.
    const SETUP: &'static [&'static str] = &["PRAGMA temp_store = MEMORY"];
    const OPTIONS: &'static str = "";
    const FORCE: Option<&'static str> = None;
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
    fn default(literal: &str) -> String {
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
        let code: u32 = error.code().and_then(|code| code.parse().ok()).unwrap_or_default();
        match (code, code & 0xff) {
            (FULL_SHM, _) | (_, FULL) => Fault::Full,
            (_, BUSY | LOCKED) => Fault::Busy,
            _ => Fault::Other,
        }
    }

    fn pull(row: &SqliteRow, at: usize, kind: Kind) -> sqlx::Result<Value> {
        value::pull::<Sqlite, i64>(row, at, kind, chrono::DateTime::from_timestamp_micros)
    }

    /// One transaction is the lock, and makes all of a migration one step.
    async fn lock(conn: &mut SqliteConnection) -> sqlx::Result<bool> {
        Self::say(conn, Self::BEGIN).await.map(|()| true)
    }

    async fn unlock(conn: &mut SqliteConnection) -> sqlx::Result<()> {
        Self::say(conn, "COMMIT").await
    }

    async fn say(conn: &mut SqliteConnection, sql: impl SqlSafeStr + Send) -> sqlx::Result<()> {
        raw_sql(sql).execute(conn).await.map(drop)
    }

    /// All in one text: each text that is sent costs a way to the connection's thread and back.
    async fn run(conn: &mut SqliteConnection, statements: &[&Statement]) -> Result<Vec<u64>, Failed> {
        let failed = |at| move |cause| Failed { at, cause };
        let texts: Vec<&str> = statements.iter().map(|statement| statement.sql.as_ref()).collect();
        let values = statements.iter().flat_map(|statement| &statement.values);
        let values = value::arguments::<Sqlite, i64>(values, |time| time.timestamp_micros());
        let query = query_with(AssertSqlSafe(texts.join("; ")), values.map_err(failed(0))?);
        // longer ones are hardly ever the same again
        let query = query.persistent(statements.len() <= KEPT);
        let mut matched = Vec::with_capacity(statements.len());
        let mut done = conn.fetch_many(query);
        while let Some(next) = done.next().await {
            if let Either::Left(done) = next.map_err(failed(matched.len()))? {
                matched.push(done.rows_affected());
            }
        }
        Ok(matched)
    }

    async fn fetch(conn: &mut SqliteConnection, statement: Statement) -> sqlx::Result<Vec<SqliteRow>> {
        let values = value::arguments::<Sqlite, i64>(&statement.values, |time| time.timestamp_micros())?;
        query_with(AssertSqlSafe(statement.sql.into_owned()), values).fetch_all(conn).await
    }
}
