//! What a migration leaves behind, compared with the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ports::{Unit, Write};
use protocol::{Field, Kind, Page, Resource, Row, Scope};
use serde_json::json;
use sqlx::{Connection as _, Row as _};
use uuid::Uuid;

use crate::database::{Folder, NODE};
use crate::mariadb::MariaDb;
use crate::sample::{call, id, row};

type Columns = BTreeMap<String, String>;

/// `CALL` as an earlier release had it.
static OLD: Resource = Resource::new("call", "calls", &[Field::text("from"), Field::text("retired")]);
static NEW: Resource = Resource::new(
    "call",
    "calls",
    &[
        Field::text("from"),
        Field::text("node"),
        Field::choice("status", &["dialing", "it's"]).filter().initially("it's"),
        Field::text("alias").unique(),
        Field::id("seat_id").unique(),
        Field::int("order"),
        Field::json("key"),
        Field::list("tags"),
        Field::map("meta"),
        Field::bool("muted").filter(),
        Field::id("flow_id").filter(),
        Field::time("tm_ring"),
    ],
);

#[tokio::test]
async fn sqlite_tables_are_what_the_catalog_says() {
    let folder = Folder::new();
    let path = folder.path("node.db");
    grows(&folder.url()).await;
    let conn = rusqlite::Connection::open(&path).unwrap();
    let mut columns = conn.prepare("SELECT name, type FROM pragma_table_info('call')").unwrap();
    let found = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let found = found.collect::<Result<_, _>>().unwrap();
    compare(found, |kind, _| match kind {
        Kind::Id => "BLOB",
        Kind::Int | Kind::Time => "INTEGER",
        Kind::Bool => "BOOLEAN",
        Kind::Text | Kind::Choice(_) | Kind::List | Kind::Map | Kind::Json => "TEXT",
    });
    let plan = "EXPLAIN QUERY PLAN SELECT * FROM call WHERE tm_delete IS NULL AND customer_id = ? \
         AND tm_create <= ? AND (tm_create < ? OR id < ?) ORDER BY tm_create DESC, id DESC LIMIT ?";
    let plan: String = conn.query_row(plan, [0; 5], |row| row.get(3)).unwrap();
    assert!(plan.contains("call:page (customer_id=? AND tm_create<?)"), "{plan}");
}

/// Most rows name nothing in most of their ids, and each index is a page that is written.
#[tokio::test]
async fn on_sqlite_the_index_of_an_id_has_the_rows_that_name_something_and_finds_them() {
    let folder = Folder::new();
    grows(&folder.url()).await;
    let conn = rusqlite::Connection::open(folder.path("node.db")).unwrap();
    let of: String = conn
        .query_row("SELECT sql FROM sqlite_master WHERE name = 'call:by_flow_id'", [], |row| row.get(0))
        .unwrap();
    let named = of.split_once(" WHERE ").expect("it leaves rows out").1;
    let plan = format!(
        "EXPLAIN QUERY PLAN SELECT * FROM call WHERE tm_delete IS NULL AND customer_id = ? AND `flow_id` = ? \
         AND {named} ORDER BY tm_create DESC, id DESC LIMIT ? + 0"
    );
    let plan: String = conn.query_row(&plan, [0; 3], |row| row.get(3)).unwrap();
    assert!(plan.contains("call:by_flow_id (flow_id=?)"), "{plan}");
}

#[tokio::test]
async fn mariadb_tables_are_what_the_catalog_says() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    grows(&url).await;
    let mut conn = sqlx::MySqlConnection::connect(&url).await.unwrap();
    // MariaDB alone says how wide a number is shown
    let rows = "SELECT CAST(column_name AS CHAR), CAST(REPLACE(column_type, '(20)', '') AS CHAR) \
         FROM information_schema.columns \
         WHERE table_schema = DATABASE() AND table_name = 'call' AND column_name NOT LIKE '\\_live\\_%'";
    let rows = sqlx::query(rows).fetch_all(&mut conn).await.unwrap();
    let found = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    compare(found, |kind, short| match kind {
        Kind::Id => "binary(16)",
        Kind::Int => "bigint",
        Kind::Time => "datetime(6)",
        Kind::Bool => "tinyint(1)",
        Kind::Text | Kind::Choice(_) if short => "varchar(255)",
        Kind::Text | Kind::Choice(_) | Kind::List | Kind::Map | Kind::Json => "mediumtext",
    });
}

/// MySQL copies a table to add a column whose default is an expression, and writers wait for it. MariaDB does not, and
/// has no word for such a default.
#[tokio::test]
async fn only_long_texts_have_an_expression_as_their_default() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    persistence::open(&url, NODE, &[&NEW]).await.unwrap().close().await;
    let mut conn = sqlx::MySqlConnection::connect(&url).await.unwrap();
    let found = "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() \
         AND extra LIKE '%DEFAULT_GENERATED%' AND data_type <> 'mediumtext'";
    let found: i64 = sqlx::query_scalar(found).fetch_one(&mut conn).await.unwrap();
    assert_eq!(found, 0);
}

/// Nodes that start at the same time on an empty database, as in a first rollout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_may_start_together() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let url = url.as_str();
    let nodes = ["a", "b", "c", "d"].map(|node| async move { persistence::open(url, node, &[&NEW]).await });
    for store in futures_util::future::join_all(nodes).await {
        let store = store.unwrap();
        store.health().await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn an_interrupted_migration_is_finished_by_the_next_start() {
    let folder = Folder::new();
    let url = folder.url();
    persistence::open(&url, NODE, &[&NEW]).await.unwrap().close().await;
    let conn = rusqlite::Connection::open(folder.path("node.db")).unwrap();
    let indexes = || {
        let names = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name";
        let mut names = conn.prepare(names).unwrap();
        let names = names.query_map([], |row| row.get(0)).unwrap();
        names.collect::<Result<Vec<String>, _>>().unwrap()
    };
    let before = indexes();
    assert_eq!(before[..4], ["call:by_flow_id", "call:one_alias", "call:one_seat_id", "call:page"]);
    let undo = "DROP INDEX `call:page`; DROP INDEX timers_node; DROP TABLE journal; \
         DELETE FROM migrations WHERE name = 'table journal'; ALTER TABLE call DROP COLUMN meta;";
    conn.execute_batch(undo).unwrap();
    persistence::open(&url, NODE, &[&NEW]).await.unwrap().close().await;
    assert_eq!(indexes(), before);
    conn.prepare("SELECT meta FROM call").unwrap();
}

#[tokio::test]
async fn a_migration_that_the_rows_forbid_is_named() {
    static LOOSE: Resource = Resource::new("call", "calls", &[Field::text("alias").filter()]);
    static STRICT: Resource = Resource::new("call", "calls", &[Field::text("alias").unique()]);
    let folder = Folder::new();
    let store = persistence::open(&folder.url(), NODE, &[&LOOSE]).await.unwrap();
    for _ in 0..2 {
        let twin = row(json!({"id": Uuid::now_v7(), "alias": "desk"}));
        store.commit(insert(&LOOSE, &twin)).await.unwrap();
    }
    store.close().await;
    let error = persistence::open(&folder.url(), NODE, &[&STRICT]).await.err().unwrap();
    assert!(error.message.contains("cannot migrate \"index call:one_alias of call\""), "{error}");
    assert!(error.message.contains("UNIQUE constraint failed"), "{error}");
    persistence::open(&folder.url(), NODE, &[&LOOSE]).await.unwrap().close().await;
}

fn insert(resource: &'static Resource, row: &Row) -> Unit {
    Unit { writes: vec![Write::Insert { resource, row: Arc::new(row.clone()) }], ..Unit::default() }
}

/// The old release writes a row, the new one finds it with the defaults of what was added.
async fn grows(url: &str) {
    let old = persistence::open(url, NODE, &[&OLD]).await.unwrap();
    let first = row(json!({"id": Uuid::now_v7(), "customer_id": Uuid::nil(), "from": "a", "retired": "b"}));
    old.commit(insert(&OLD, &first)).await.unwrap();

    // where nodes share a database both releases run side by side; a second start of the new one changes
    // nothing
    let shared = url.starts_with("mysql:");
    if !shared {
        old.close().await;
    }
    persistence::open(url, "same", &[&NEW]).await.unwrap().close().await;
    let new = persistence::open(url, "new", &[&NEW]).await.unwrap();
    let mut expected = first.clone();
    expected.remove("retired");
    NEW.fill(&mut expected);
    assert_eq!(expected["status"], "it's");
    assert_eq!(new.get(&NEW, Scope::Platform, id(&first)).await.unwrap(), Some(expected));
    let late = insert(&OLD, &row(json!({"id": Uuid::now_v7(), "retired": "c"})));
    let written = old.commit(late).await.is_ok();
    assert_eq!(written, shared);
    new.commit(insert(&NEW, &call(Uuid::nil(), 1))).await.unwrap();
    let everything = new.list(&NEW, Scope::Platform, &Default::default(), &Page::of(9, None)).await.unwrap();
    assert_eq!(everything.len(), if shared { 3 } else { 2 });
    old.close().await;
    new.close().await;
}

fn compare(mut found: Columns, expected: impl Fn(Kind, bool) -> &'static str) {
    assert!(found.remove("retired").is_some(), "what a release does not know is left alone");
    let expected: Columns = NEW
        .columns()
        .map(|field| (field.name.to_owned(), expected(field.kind, field.is_short()).to_owned()))
        .collect();
    assert_eq!(found, expected);
}
