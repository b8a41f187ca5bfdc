//! Reads, on connections of their own: they never wait for the writer.

use std::sync::Arc;

use protocol::ports::Load;
use protocol::{Field, Kind, Resource, Result, Row};
use tokio::time::Instant;
use uuid::Uuid;

use super::dialect::{Connections as _, Dialect};
use super::failure;
use super::figures::Reads;
use super::pulse::Pulse;
use super::statement::Statement;

pub(super) struct Reader<D: Dialect> {
    pool: D::Pool,
    reads: Reads,
    /// Where the database may stand still.
    pulse: Option<Pulse>,
}

impl<D: Dialect> Reader<D> {
    pub(super) fn new(options: D::Options, connections: u32, pulse: Option<Pulse>) -> Self {
        Reader { pool: D::Pool::new(options, connections), reads: Reads::default(), pulse }
    }

    pub(super) async fn fetch(&self, statement: Statement) -> Result<Vec<D::Row>> {
        let since = Instant::now();
        let rows = self.pool.read(statement, self.pulse.as_ref()).await.map_err(refused::<D>);
        self.reads.ended(since, &rows);
        rows
    }

    pub(super) fn load(&self) -> Load {
        self.pool.load()
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
        self.all(statement, |row| read::<D>(resource.columns(), row)).await
    }

    /// Rows of these columns, in their order.
    pub(super) async fn part(
        &self,
        resource: &Resource,
        columns: &[&str],
        statement: Statement,
    ) -> Result<Vec<Row>> {
        let fields = || columns.iter().filter_map(|name| resource.field(name));
        self.all(statement, |row| read::<D>(fields(), row)).await
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) fn is_open(&self) -> bool {
        self.pool.is_open()
    }
}

fn read<D: Dialect>(fields: impl Iterator<Item = &'static Field>, row: &D::Row) -> sqlx::Result<Row> {
    let fields = fields.enumerate();
    fields.map(|(at, field)| Ok((field.name.to_owned(), D::pull(row, at, field.kind)?))).collect()
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
