//! What the tables should look like: the catalog's as the catalog says, our own as written here.

use protocol::{Field, Kind, Resource};

use super::dialect::Dialect;
use super::statement::is_indexed;

/// A column or index by name, and the SQL that makes it.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) sql: String,
}

/// Every column of a resource, first those it is made of, then those its indexes need.
pub(super) fn columns<D: Dialect>(resource: &Resource) -> Vec<Part> {
    let plain = resource.columns().map(|field| {
        let kind = D::column(field.kind, field.is_short());
        let rest = match field.name {
            "id" => "NOT NULL PRIMARY KEY".to_owned(),
            _ => format!("DEFAULT {}", zero::<D>(field)),
        };
        Part { name: field.name.to_owned(), sql: format!("`{}` {kind} {rest}", field.name) }
    });
    let computed = resource.fields.iter().filter_map(|field| {
        let (name, sql) = unique::<D>(resource, field)?.column?;
        Some(Part { name, sql })
    });
    plain.chain(computed).collect()
}

/// Pages of a customer, one per id that is filtered by, one per unique value.
pub(super) fn indexes<D: Dialect>(resource: &Resource) -> Vec<Part> {
    let table = resource.name;
    let plain = |name: String, column: &str, of: &str| {
        let name = D::index(table, &name);
        let sql = format!("CREATE INDEX `{name}` ON `{table}` (`{column}`, tm_create, id){of}");
        Part { name, sql }
    };
    let mut parts = vec![plain("page".to_owned(), "customer_id", "")];
    for field in resource.fields.iter().filter(|field| is_indexed(field)) {
        parts.push(match unique::<D>(resource, field) {
            Some(unique) => Part { name: unique.index.0, sql: unique.index.1 },
            None => {
                let of = named::<D>(field).map_or_else(String::new, |named| format!(" WHERE {named}"));
                plain(format!("by_{}", field.name), field.name, &of)
            }
        });
    }
    parts
}

/// What a row says that is in the index of this id: most rows name nothing in most of theirs, and each index is a page
/// that is written. Where nothing is left out of it, this is `None`.
pub(super) fn named<D: Dialect>(field: &Field) -> Option<String> {
    let partial = D::PARTIAL && field.kind == Kind::Id && !field.unique && is_indexed(field);
    partial.then(|| format!("`{}` <> {NIL}", field.name))
}

/// The platform's own tables. A change of one is a new entry, never an edited one.
pub(super) fn own<D: Dialect>() -> Vec<Part> {
    let id = D::column(Kind::Id, true);
    let (short, long) = (D::column(Kind::Text, true), D::column(Kind::Json, false));
    let (number, time) = (D::column(Kind::Int, true), D::column(Kind::Time, true));
    let key = format!("{short} NOT NULL");
    // where all facts are one node's their number is the key, which on SQLite needs no index: one page less for each
    let outbox = if D::ALONE { "seq" } else { "node, seq" };
    let tables = [
        (
            "outbox",
            format!("node {key}, seq {number} NOT NULL, event {long} NOT NULL, PRIMARY KEY ({outbox})"),
        ),
        (
            "journal",
            format!(
                "kind {key}, id {id} NOT NULL, parent {id} NOT NULL, node {key}, data {long}, \
                 seq {number} NOT NULL, PRIMARY KEY (kind, id)"
            ),
        ),
        (
            "timers",
            format!(
                "id {id} NOT NULL PRIMARY KEY, at {time} NOT NULL, resource {key}, verb {key}, \
                 target {id} NOT NULL, body {long}"
            ),
        ),
        (
            "nodes",
            format!(
                "node {key} PRIMARY KEY, epoch {number} NOT NULL, until {time} NOT NULL, serves {long} NOT NULL"
            ),
        ),
        ("agreed", format!("name {key} PRIMARY KEY, value {key}")),
    ];
    let table = |(name, columns)| Part {
        name: format!("table {name}"),
        sql: format!("CREATE TABLE IF NOT EXISTS `{name}` ({columns}) {}", D::OPTIONS),
    };
    tables.map(table).into()
}

/// Indexes of our own tables: the table, the name, which is taken as it is on both databases, and the SQL. An index on a
/// column that changes is written with each change, so where all entries are one node's there is none of nodes.
pub(super) fn own_indexes<D: Dialect>() -> Vec<(&'static str, &'static str, &'static str)> {
    let always = [
        ("journal", "journal_parent", "CREATE INDEX journal_parent ON journal (kind, parent)"),
        ("timers", "timers_node", "CREATE INDEX timers_node ON timers (node, at, id)"),
    ];
    let shared = ("journal", "journal_node", "CREATE INDEX journal_node ON journal (kind, node)");
    always.into_iter().chain((!D::ALONE).then_some(shared)).collect()
}

/// Columns that our own tables got later: the table and the column.
pub(super) fn own_columns<D: Dialect>() -> Vec<(&'static str, Part)> {
    let short = D::column(Kind::Text, true);
    let node = format!("node {short} NOT NULL DEFAULT {}", D::default(Kind::Text, true, "''"));
    vec![("timers", Part { name: "node".to_owned(), sql: node })]
}

fn unique<D: Dialect>(resource: &Resource, field: &Field) -> Option<super::dialect::Unique> {
    let kind = D::column(field.kind, field.is_short());
    field.unique.then(|| D::unique(resource.name, field.name, kind, empty(field.kind)))
}

/// The value that several rows may share: it means "none".
fn empty(kind: Kind) -> &'static str {
    match kind {
        Kind::Id => NIL,
        Kind::Int | Kind::Bool | Kind::Time => "0",
        Kind::Text | Kind::Choice(_) | Kind::List | Kind::Map | Kind::Json => "''",
    }
}

const NIL: &str = "x'00000000000000000000000000000000'";

/// What a row that is older than the column has in it.
fn zero<D: Dialect>(field: &Field) -> String {
    let default = |literal: &str| D::default(field.kind, field.is_short(), literal);
    match field.kind {
        Kind::Id => default(NIL),
        Kind::Text | Kind::Choice(_) => {
            default(&format!("'{}'", field.initially.unwrap_or_default().replace('\'', "''")))
        }
        Kind::Int | Kind::Bool => default("0"),
        Kind::List => default("'[]'"),
        Kind::Map => default("'{}'"),
        Kind::Json | Kind::Time => "NULL".to_owned(),
    }
}
