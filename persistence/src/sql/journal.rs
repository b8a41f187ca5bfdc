//! State of live things. An entry keeps the place of its first put: a restart rebuilds in that order.

use protocol::ports::{Entry, Journal};
use uuid::Uuid;

use super::dialect::Dialect;
use super::job::Step;
use super::read;
use super::statement::Statement;

const SELECT: &str = "SELECT id, parent, node, data FROM journal WHERE kind = ?";

pub(super) fn change<D: Dialect>(change: Journal) -> Step {
    match change {
        Journal::Put(entry) => Step::Numbered(put::<D>(entry)),
        Journal::Erase { kind, id } => {
            let erase = Statement::new("DELETE FROM journal WHERE kind = ? AND id = ?");
            Step::Plain(erase.with(kind).with(id))
        }
    }
}

fn put<D: Dialect>(entry: Entry) -> Statement {
    let replace = D::upsert("kind, id", &["node", "data"]);
    let values = "(kind, id, parent, node, data, seq) VALUES (?, ?, ?, ?, ?, ?)";
    Statement::new(format!("INSERT INTO journal {values} {replace}"))
        .adding()
        .with(entry.kind)
        .with(entry.id)
        .with(entry.parent)
        .with(entry.node)
        .with(entry.data)
        .with(0_i64)
}

pub(super) fn of_kind(kind: &str) -> Statement {
    Statement::new(format!("{SELECT} ORDER BY seq, id")).with(kind)
}

pub(super) fn of_node(kind: &str, node: &str) -> Statement {
    Statement::new(format!("{SELECT} AND node = ? ORDER BY seq, id")).with(kind).with(node)
}

pub(super) fn of_parent(kind: &str, parent: Uuid) -> Statement {
    Statement::new(format!("{SELECT} AND parent = ? ORDER BY seq, id")).with(kind).with(parent)
}

pub(super) fn one(kind: &str, id: Uuid) -> Statement {
    Statement::new(format!("{SELECT} AND id = ?")).of_one().with(kind).with(id)
}

pub(super) fn read<D: Dialect>(kind: &'static str, row: &D::Row) -> sqlx::Result<Entry> {
    Ok(Entry {
        kind,
        id: read::id::<D>(row, 0)?,
        parent: read::id::<D>(row, 1)?,
        node: read::text::<D>(row, 2)?,
        data: read::text::<D>(row, 3)?,
    })
}
