//! Brings the database to what this release needs: tables, columns and indexes that are missing are added.
//!
//! Forward only, because it only ever adds, and what it adds has a default: the release before goes on
//! working beside this one (expand). What no release uses any more is dropped by a hand-written statement
//! of a later one (contract); until then it is left alone.
//!
//! Safe to interrupt, because what to do is read from the database itself, statement by statement: after
//! a kill the next start finds what is still missing. On SQLite all of it is one transaction; MySQL commits
//! every statement by itself, so there each stands alone, under a lock that ends with the connection.
//! `migrations` tells what was done and when. It decides only about the hand-written statements, and each
//! of those can be run twice.

use std::collections::HashSet;
use std::sync::Arc;

use protocol::ports::{Clock as _, SystemClock};
use protocol::{Error, Kind, Resource, Result};

use super::dialect::{Asked, Dialect};
use super::failure;
use super::read;
use super::schema::{self, Part};
use super::statement::Statement;

/// Pairs of table and part.
type Parts = HashSet<(String, String)>;

/// On an error the caller closes the connection, and with it the lock.
pub(super) async fn migrate<D: Dialect>(
    conn: &mut D::Connection,
    resources: &[&'static Resource],
) -> Result<()> {
    if !D::lock(conn).await.map_err(refused::<D>)? {
        return Err(Error::unavailable(
            "another node has been changing the tables for a minute; start again later",
        ));
    }
    let mut migration = Migration::<D>::begin(conn).await?;
    migration.own().await?;
    for resource in resources {
        migration.resource(resource).await?;
    }
    D::unlock(conn).await.map_err(refused::<D>)
}

struct Migration<'c, D: Dialect> {
    conn: &'c mut D::Connection,
    columns: Parts,
    indexes: Parts,
    done: HashSet<String>,
}

impl<'c, D: Dialect> Migration<'c, D> {
    async fn begin(conn: &'c mut D::Connection) -> Result<Self> {
        let (id, text, time) =
            (D::column(Kind::Id, true), D::column(Kind::Json, false), D::column(Kind::Time, true));
        let own = format!(
            "CREATE TABLE IF NOT EXISTS migrations (id {id} NOT NULL PRIMARY KEY, name {text} NOT NULL, \
             statement {text} NOT NULL, at {time} NOT NULL) {}",
            D::OPTIONS
        );
        D::say(conn, &own).await.map_err(refused::<D>)?;
        let columns = pairs::<D>(conn, D::COLUMNS).await?;
        let indexes = pairs::<D>(conn, D::INDEXES).await?;
        let done = pairs::<D>(conn, "SELECT name, name FROM migrations").await?;
        let done = done.into_iter().map(|(name, _)| name).collect();
        Ok(Migration { conn, columns, indexes, done })
    }

    async fn own(&mut self) -> Result<()> {
        for Part { name, sql } in schema::own::<D>() {
            if !self.done.contains(&name) {
                self.apply(&name, sql).await?;
            }
        }
        for (table, Part { name, sql }) in schema::own_columns::<D>() {
            if !self.columns.contains(&(table.to_owned(), name.clone())) {
                self.apply(&format!("{table}.{name}"), format!("ALTER TABLE {table} ADD COLUMN {sql}"))
                    .await?;
            }
        }
        for (table, name, sql) in schema::own_indexes::<D>() {
            if !self.indexes.contains(&((*table).to_owned(), (*name).to_owned())) {
                self.apply(name, (*sql).to_owned()).await?;
            }
        }
        Ok(())
    }

    async fn resource(&mut self, resource: &Resource) -> Result<()> {
        let table = resource.name;
        if ["outbox", "journal", "timers", "nodes", "agreed", "migrations"].contains(&table) {
            return Err(Error::internal(format!("{table} is a table of the platform, not of a resource")));
        }
        let columns = schema::columns::<D>(resource);
        if self.columns.contains(&(table.to_owned(), "id".to_owned())) {
            for column in columns {
                let sql = format!("ALTER TABLE `{table}` ADD COLUMN {}", column.sql);
                if !self.columns.contains(&(table.to_owned(), column.name.clone())) {
                    self.apply(&format!("{table}.{}", column.name), sql).await?;
                }
            }
        } else {
            let columns: Vec<_> = columns.into_iter().map(|column| column.sql).collect();
            let sql = format!("CREATE TABLE `{table}` ({}) {}", columns.join(", "), D::OPTIONS);
            self.apply(&format!("table {table}"), sql).await?;
        }
        for index in schema::indexes::<D>(resource) {
            if !self.indexes.contains(&(table.to_owned(), index.name.clone())) {
                self.apply(&format!("index {} of {table}", index.name), index.sql).await?;
            }
        }
        Ok(())
    }

    async fn apply(&mut self, name: &str, sql: String) -> Result<()> {
        tracing::debug!(statement = name, "migrating");
        // read by whoever starts the node, so the database's own words are wanted
        let failed = |cause: sqlx::Error| {
            let message = format!("cannot migrate {name:?}: {cause}");
            Error { message, ..refused::<D>(cause) }
        };
        D::say(self.conn, &sql).await.map_err(failed)?;
        let record = Statement::new("INSERT INTO migrations (id, name, statement, at) VALUES (?, ?, ?, ?)")
            .with(uuid::Uuid::now_v7())
            .with(name)
            .with(sql)
            .with(SystemClock.now());
        D::run(self.conn, &[Asked::of(&record)]).await.map_err(|refusal| failed(refusal.into()))
    }
}

async fn pairs<D: Dialect>(conn: &mut D::Connection, sql: &'static str) -> Result<Parts> {
    let rows = D::fetch(conn, &Statement::new(sql)).await.map_err(refused::<D>)?;
    let pairs = rows.iter().map(|row| Ok((read::text::<D>(row, 0)?, read::text::<D>(row, 1)?)));
    pairs.collect::<sqlx::Result<_>>().map_err(refused::<D>)
}

fn refused<D: Dialect>(cause: sqlx::Error) -> Error {
    failure::explain::<D>(Arc::new(cause))
}
