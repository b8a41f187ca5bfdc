//! `branchline chaos` itself, shorter than by default.

use std::process::Stdio;

use tokio::process::Command;
use tokio::time::{Duration, timeout};

use crate::bus::broker;
use crate::mariadb::MariaDb;

/// Several times what it takes.
const LONGEST: Duration = Duration::from_secs(300);

/// What breaks is the same at every run; `branchline chaos` without a seed breaks something else each time.
const SEED: &str = "5";

async fn chaos(rounds: &str, more: &[&str]) {
    let run = Command::new(env!("CARGO_BIN_EXE_branchline"))
        .args(["chaos", "--rounds", rounds, "--seed", SEED])
        .args(more)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = timeout(LONGEST, run).await.expect("it comes to its end").unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    println!("{said}");
    assert!(run.status.success() && said.contains("Nothing was lost."), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_that_breaks_again_and_again_loses_nothing() {
    chaos("20", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_break_with_all_around_them_lose_nothing() {
    let Some(database) = MariaDb::start().await else { return };
    let Some(broker) = broker::shared().await else { return };
    chaos("8", &["--store", &database.database().await, "--bus", &broker.place()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_are_killed_again_and_again_lose_nothing() {
    let Some(database) = MariaDb::start().await else { return };
    let Some(broker) = broker::shared().await else { return };
    chaos("20", &["--kills", "--store", &database.database().await, "--bus", &broker.place()]).await;
}
