//! MySQL and MariaDB. Times bind as `NaiveDateTime`: sqlx sends `DateTime<Utc>` as a TIMESTAMP, which
//! ends in 2038 and silently becomes NULL before 1970.

mod adding;
mod pool;

use std::time::Duration;

use chrono::NaiveDateTime;
use protocol::ports::Bound;
use protocol::{Kind, time};
use serde_json::Value;
use sqlx::error::DatabaseError;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, MySql, Row as _};
use sqlx::{query_with, raw_sql};
use uuid::Uuid;

use super::dialect::{Asked, Dialect, Failed, Fault, Unique, Why, sealed};
use super::statement::Statement;
use pool::Pool;

impl sealed::Sealed for MySql {}

/// `ER_DISK_FULL`, `ER_RECORD_FILE_FULL`.
const FULL: [u16; 2] = [1021, 1114];
/// `ER_LOCK_WAIT_TIMEOUT`, `ER_LOCK_DEADLOCK`.
const BUSY: [u16; 2] = [1205, 1213];

const TEXT: &str = "MEDIUMTEXT";

impl Dialect for MySql {
    type Options = MySqlConnectOptions;
    type Connection = MySqlConnection;
    type Row = MySqlRow;
    type Pool = Pool;

    const ALONE: bool = false;
    const PARTIAL: bool = false;
    const BEGIN: Option<&'static str> = None;
    const LIMIT: &'static str = "?";
    /// More than a lock is waited for. An answer of which bytes were lost or spoilt on the way never ends.
    const SILENCE: Duration = Duration::from_secs(3);
    /// A row that another node holds must not stop the writer for MySQL's 50 s, nor a table a migration for
    /// a day. READ COMMITTED locks rows
    /// and not the gaps between them. Strict, so that nothing is cut to fit.
    const SETUP: &'static [&'static str] = &[
        "SET SESSION innodb_lock_wait_timeout = 2",
        // of a node that vanished in a transaction the server does not hear: its locks must not outlast its lease
        "SET SESSION wait_timeout = 10",
        "SET SESSION lock_wait_timeout = 30",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')",
    ];
    /// Each statement is a way to the server and back, also one that only begins a transaction.
    const WRITES: &'static [&'static str] = &["SET SESSION autocommit = 0"];
    /// Binary, so that texts compare as they do on SQLite.
    const OPTIONS: &'static str = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
    /// MariaDB prefers `ref` on the customer alone and walks every newer row: 1 s instead of 1 ms.
    const FORCE: Option<&'static str> = Some("FORCE INDEX");
    const UNLESS_TAKEN: &'static str = "ON DUPLICATE KEY UPDATE id = id";
    const COLUMNS: &'static str = "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) \
         FROM information_schema.columns WHERE table_schema = DATABASE()";
    const INDEXES: &'static str = "SELECT DISTINCT CAST(table_name AS CHAR), CAST(index_name AS CHAR) \
         FROM information_schema.statistics WHERE table_schema = DATABASE()";

    fn column(kind: Kind, short: bool) -> &'static str {
        match kind {
            Kind::Id => "BINARY(16)",
            Kind::Text | Kind::Choice(_) if short => "VARCHAR(255)",
            Kind::Text | Kind::Choice(_) | Kind::List | Kind::Map | Kind::Json => TEXT,
            Kind::Int => "BIGINT",
            Kind::Bool => "BOOLEAN",
            Kind::Time => "DATETIME(6)",
        }
    }

    /// In brackets only where MySQL takes nothing else: a column with such a default is added by copying the whole
    /// table, and nobody writes to it meanwhile.
    fn default(kind: Kind, short: bool, literal: &str) -> String {
        match Self::column(kind, short) {
            TEXT => format!("({literal})"),
            _ => literal.to_owned(),
        }
    }

    fn index(_table: &str, name: &str) -> String {
        name.to_owned()
    }

    /// There are no partial indexes: a computed column is NULL where the rule does not hold, and NULLs
    /// never collide.
    fn unique(table: &str, column: &str, kind: &str, empty: &str) -> Unique {
        let (live, name) = (format!("_live_{column}"), format!("one_{column}"));
        let computed = format!(
            "`{live}` {kind} GENERATED ALWAYS AS \
             (CASE WHEN tm_delete IS NULL AND `{column}` <> {empty} THEN `{column}` END) VIRTUAL"
        );
        let index = format!("CREATE UNIQUE INDEX `{name}` ON `{table}` (`{live}`)");
        Unique { column: Some((live, computed)), index: (name, index) }
    }

    fn upsert(_key: &str, columns: &[&str]) -> String {
        let sets: Vec<_> = columns.iter().map(|name| format!("`{name}` = VALUES(`{name}`)")).collect();
        format!("ON DUPLICATE KEY UPDATE {}", sets.join(", "))
    }

    fn fault(error: &dyn DatabaseError) -> Fault {
        let number = error.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
        if FULL.contains(&number) || error.message().contains("No space left on device") {
            Fault::Full
        } else if BUSY.contains(&number) {
            Fault::Busy
        } else {
            Fault::Other
        }
    }

    fn pull(row: &MySqlRow, at: usize, kind: Kind) -> sqlx::Result<Value> {
        Ok(match kind {
            Kind::Id => row.try_get::<Option<Uuid>, _>(at)?.map(|id| id.to_string()).into(),
            Kind::Text | Kind::Choice(_) => row.try_get::<Option<String>, _>(at)?.into(),
            Kind::Int => row.try_get::<Option<i64>, _>(at)?.into(),
            Kind::Bool => row.try_get::<Option<bool>, _>(at)?.into(),
            Kind::List | Kind::Map | Kind::Json => match row.try_get::<Option<String>, _>(at)? {
                Some(text) => {
                    serde_json::from_str(&text).map_err(|cause| sqlx::Error::Decode(cause.into()))?
                }
                None => Value::Null,
            },
            Kind::Time => {
                let at = row.try_get::<Option<NaiveDateTime>, _>(at)?;
                at.map(|at| time::stamp(at.and_utc())).into()
            }
        })
    }

    async fn connect(options: &MySqlConnectOptions) -> sqlx::Result<MySqlConnection> {
        options.connect().await
    }

    async fn ping(conn: &mut MySqlConnection) -> sqlx::Result<()> {
        conn.ping().await
    }

    async fn close(conn: MySqlConnection) -> sqlx::Result<()> {
        conn.close().await
    }

    /// Waits a minute at most: a migration of another node is done by then or needs a person. A name of a lock has 64
    /// characters at most, as has one of a database, and MySQL 9.7 has no `MD5` any more.
    async fn lock(conn: &mut MySqlConnection) -> sqlx::Result<bool> {
        let sql = "SELECT GET_LOCK(CONCAT('migrate.', SHA2(DATABASE(), 224)), 60) = 1";
        let granted: Option<bool> = sqlx::query_scalar(sql).fetch_one(conn).await?;
        Ok(granted == Some(true))
    }

    async fn unlock(conn: &mut MySqlConnection) -> sqlx::Result<()> {
        Self::say(conn, "DO RELEASE_LOCK(CONCAT('migrate.', SHA2(DATABASE(), 224)))").await
    }

    async fn say(conn: &mut MySqlConnection, sql: &str) -> sqlx::Result<()> {
        raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.map(drop)
    }

    /// Each statement is a way to the server and back, so rows that are added one after the other go together.
    async fn run(conn: &mut MySqlConnection, statements: &[Asked<'_>]) -> Result<(), Failed> {
        let mut at = 0;
        while let Some(Asked { statement, must_match }) = statements.get(at) {
            let together = adding::together(&statements[at..]);
            let done = async {
                // MySQL does not prepare a savepoint
                if statement.values.is_empty() {
                    return raw_sql(AssertSqlSafe(statement.sql.clone())).execute(&mut *conn).await;
                }
                let values = statements[at..at + together].iter().flat_map(|asked| &asked.statement.values);
                let sql = AssertSqlSafe(adding::text(&statement.sql, together));
                query_with(sql, arguments(values)?).execute(&mut *conn).await
            };
            let done = done.await.map_err(Failed::new(at))?;
            if *must_match && done.rows_affected() == 0 {
                return Err(Failed { at, why: Why::Unmatched });
            }
            at += together;
        }
        Ok(())
    }

    async fn fetch(conn: &mut MySqlConnection, statement: &Statement) -> sqlx::Result<Vec<MySqlRow>> {
        let sql = AssertSqlSafe(statement.sql.clone());
        query_with(sql, arguments(&statement.values)?).fetch_all(conn).await
    }
}

fn arguments<'v>(values: impl IntoIterator<Item = &'v Bound>) -> sqlx::Result<MySqlArguments> {
    let mut arguments = MySqlArguments::default();
    for value in values {
        match value {
            Bound::Null => arguments.add(None::<i64>),
            Bound::Id(id) => arguments.add(*id),
            Bound::Text(text) => arguments.add(text.as_str()),
            Bound::Int(number) => arguments.add(*number),
            Bound::Bool(yes) => arguments.add(*yes),
            Bound::Time(time) => arguments.add(time.naive_utc()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
