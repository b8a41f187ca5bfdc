//! Opening a store: what is made, what is refused, and what is still there afterwards.

use std::os::unix::fs::PermissionsExt as _;

use protocol::Status;
use sqlx::raw_sql;
use uuid::Uuid;

use crate::database::{Folder, NODE, open};
use crate::mariadb::MariaDb;
use crate::sample::{CALL, call, delivered, get, id, insert, told, write};

#[tokio::test]
async fn a_database_file_is_only_for_its_owner_and_keeps_what_was_stored() {
    let folder = Folder::new();
    let one = call(Uuid::nil(), 1);
    let store = open(&folder.url()).await;
    write(&store, insert(&one), "first").await.unwrap();
    let mode = |name: &str| std::fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("node.db"), mode("node.db-wal")), (0o600, 0o600));
    let number = store.outbox(0, 1).await.unwrap()[0].0;
    delivered(&store, &[number]).await;
    store.close().await;

    // numbers go on although the outbox was emptied
    let store = open(&folder.url().replacen("sqlite:", "sqlite://", 1)).await;
    assert_eq!(get(&store, id(&one)).await, Some(one));
    write(&store, insert(&call(Uuid::nil(), 2)), "second").await.unwrap();
    assert_eq!(told(&store).await, ["second"]);
    assert!(store.outbox(number, 1).await.unwrap()[0].0 > number);
    store.close().await;
}

#[tokio::test]
async fn stores_in_memory_are_apart_and_leave_nothing() {
    let (one, two) = (open("sqlite::memory:").await, open("sqlite::memory:").await);
    let row = call(Uuid::nil(), 1);
    write(&one, insert(&row), "first").await.unwrap();
    assert_eq!(get(&one, id(&row)).await, Some(row.clone()));
    assert_eq!(get(&two, id(&row)).await, None);
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do() {
    let folder = Folder::new();
    std::fs::write(folder.path("text.db"), "this is no database, and long enough to tell. ".repeat(100))
        .unwrap();
    let at = |name: &str| format!("sqlite:{}", folder.path(name).display());
    for (url, status, words) in [
        (
            at("missing/node.db"),
            Status::Unavailable,
            "no such file or directory; give another folder with --data",
        ),
        (at("text.db"), Status::Unavailable, "file is not a database; give another folder with --data"),
        ("sqlite:".into(), Status::InvalidArgument, "the database must be sqlite:PATH or mysql://"),
        (
            "postgres://u:pw@h/d".into(),
            Status::InvalidArgument,
            "the database must be sqlite:PATH or mysql://",
        ),
        ("mysql://u:pw@127.0.0.1:9/".into(), Status::InvalidArgument, "names no database"),
        ("mysql://u:pw@127.0.0.1:9/d".into(), Status::Unavailable, "127.0.0.1:9: connection refused"),
        ("mysql://u:pw@127.0.0.1:nine/d".into(), Status::InvalidArgument, "cannot be read"),
    ] {
        let error = persistence::open(&url, NODE, &[&CALL]).await.err().unwrap();
        assert_eq!(error.status, status, "{url}: {error}");
        assert!(error.message.contains(words), "{url}: {error}");
        assert!(!error.message.contains("pw"), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_password_of_mysql_is_sent_over_tls_only() {
    let Some(server) = MariaDb::start().await else { return };
    let mut admin = server.admin().await.unwrap();
    let user = "CREATE USER u@localhost IDENTIFIED WITH caching_sha2_password BY 'pw'; \
         GRANT ALL ON *.* TO u@localhost";
    if raw_sql(user).execute(&mut admin).await.is_err() {
        return println!("skipped: MariaDB has other passwords");
    }
    let url = server.database().await.replace("root@", "u:pw@");
    let error = persistence::open(&format!("{url}?ssl-mode=DISABLED"), NODE, &[&CALL]).await.err().unwrap();
    assert!(error.message.contains("takes this password over TLS only"), "{error}");
    open(&url).await.close().await;
}
