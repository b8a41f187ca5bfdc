//! A process that is killed in the middle of its work, and what the next one finds.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use protocol::Scope;
use protocol::ports::Filter;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::database::{Folder, open};
use crate::sample::{CALL, call, get, id, insert, told, write};

/// Set in the process that is killed: the database it writes to.
const VICTIM: &str = "BRANCHLINE_TEST_VICTIM";
const ROUNDS: usize = 3;
const CALLERS: u32 = 16;
/// What one victim may write if nobody kills it.
const MOST: u32 = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    if let Ok(url) = std::env::var(VICTIM) {
        return write_until_killed(&url).await;
    }
    let folder = Folder::new();
    let mut acknowledged = Vec::new();
    for round in 1..=ROUNDS {
        acknowledged.extend(killed_after(150 * round, &folder.url()));
        let store = open(&folder.url()).await;
        for id in &acknowledged {
            assert!(get(&store, *id).await.is_some(), "an acknowledged row is lost");
        }
        let told: HashSet<_> = told(&store).await.into_iter().collect();
        let rows = store.count(&CALL, Scope::Platform, &Filter::default()).await.unwrap();
        assert_eq!(told.len() as u64, rows, "a row without its event, or the reverse");
        assert!(acknowledged.iter().all(|id| told.contains(&id.to_string())));
        store.close().await;
    }
}

/// Runs a victim, kills it once it has acknowledged so many rows, and answers all that it acknowledged.
fn killed_after(rows: usize, url: &str) -> Vec<Uuid> {
    let name = "durability::what_was_acknowledged_survives_a_kill";
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(VICTIM, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    for id in lines.filter_map(|line| line.strip_prefix("stored ")?.parse().ok()) {
        acknowledged.push(id);
        if acknowledged.len() == rows {
            victim.kill().unwrap();
        }
    }
    assert!(!victim.wait().unwrap().success(), "the victim ended by itself");
    acknowledged
}

async fn write_until_killed(url: &str) {
    let store = open(url).await;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let store = store.clone();
        callers.spawn(async move {
            for n in 0..MOST / CALLERS {
                let call = call(Uuid::nil(), n);
                write(&store, insert(&call), id(&call)).await.unwrap();
                println!("stored {}", id(&call));
            }
        });
    }
    callers.join_all().await;
}
