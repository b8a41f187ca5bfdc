//! One suite, two databases: every case runs on a database of its own.

use crate::cases;
use crate::database::{Folder, open};
use crate::mariadb::MariaDb;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    for case in cases::all() {
        println!("case: {}", case.name);
        let folder = Folder::new();
        let store = open(&folder.url()).await;
        (case.run)(store.clone()).await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_conforms() {
    let Some(server) = MariaDb::start().await else { return };
    for case in cases::all() {
        println!("case: {}", case.name);
        let store = open(&server.database().await).await;
        (case.run)(store.clone()).await;
        store.close().await;
    }
}
