//! State of live things. An entry keeps the place of its first put: a restart rebuilds in that order.

use protocol::ports::{Entry, Journal};
use protocol::{Kind, Result};
use uuid::Uuid;

use super::dialect::Dialect;
use super::job::Step;
use super::read;
use super::statement::Statement;

const SELECT: &str = "SELECT id, parent, node, data FROM journal WHERE kind = ?";

pub(super) fn change<D: Dialect>(change: &Journal) -> Result<Step> {
    match change {
        Journal::Put(entry) => put::<D>(entry).map(Step::Numbered),
        Journal::Erase { kind, id } => Statement::new("DELETE FROM journal WHERE kind = ? AND id = ?")
            .with(Kind::Text, *kind)?
            .with(Kind::Id, id.to_string())
            .map(Step::Plain),
    }
}

fn put<D: Dialect>(entry: &Entry) -> Result<Statement> {
    let replace = D::upsert("kind, id", &["node", "data"]);
    let values = "(kind, id, parent, node, data, seq) VALUES (?, ?, ?, ?, ?, ?)";
    Statement::new(format!("INSERT INTO journal {values} {replace}"))
        .with(Kind::Text, entry.kind)?
        .with(Kind::Id, entry.id.to_string())?
        .with(Kind::Id, entry.parent.to_string())?
        .with(Kind::Text, entry.node.as_str())?
        .with(Kind::Json, entry.data.clone())?
        .with(Kind::Int, 0)
}

pub(super) fn of_kind(kind: &str) -> Result<Statement> {
    Statement::new(format!("{SELECT} ORDER BY seq, id")).with(Kind::Text, kind)
}

pub(super) fn of_node(kind: &str, node: &str) -> Result<Statement> {
    Statement::new(format!("{SELECT} AND node = ? ORDER BY seq, id"))
        .with(Kind::Text, kind)?
        .with(Kind::Text, node)
}

pub(super) fn of_parent(kind: &str, parent: Uuid) -> Result<Statement> {
    Statement::new(format!("{SELECT} AND parent = ? ORDER BY seq, id"))
        .with(Kind::Text, kind)?
        .with(Kind::Id, parent.to_string())
}

pub(super) fn one(kind: &str, id: Uuid) -> Result<Statement> {
    let one = Statement::new(format!("{SELECT} AND id = ?")).of_one();
    one.with(Kind::Text, kind)?.with(Kind::Id, id.to_string())
}

pub(super) fn read<D: Dialect>(kind: &'static str, row: &D::Row) -> sqlx::Result<Entry> {
    Ok(Entry {
        kind,
        id: read::id::<D>(row, 0)?,
        parent: read::id::<D>(row, 1)?,
        node: read::text::<D>(row, 2)?,
        data: D::pull(row, 3, Kind::Json)?,
    })
}
