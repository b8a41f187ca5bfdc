//! Nodes that share a database: what is whose, and what becomes of it when one dies.

use std::sync::Arc;

use futures_util::future::join_all;
use protocol::Status;
use protocol::ports::{Entry, Journal, Pending, Residents, Store, Timer, Unit};
use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::database::{Folder, NODE, open};
use crate::mariadb::MariaDb;
use crate::sample::{CALL, call, delivered, fact, get, id, insert, told, write};

/// More than are taken over in one transaction.
const EVENTS: u32 = 600;

async fn node(url: &str, name: &str) -> Arc<dyn Store> {
    persistence::open(url, name, &[&CALL]).await.unwrap()
}

fn timer() -> Timer {
    Timer {
        id: Uuid::now_v7(),
        at: protocol::time::parse("2026-01-02T03:04:05.000006Z").unwrap(),
        resource: "call".into(),
        verb: "hangup".into(),
        target: Uuid::now_v7(),
        body: json!({}),
    }
}

/// As if the node had said nothing for longer than a lease.
async fn silence(server: &MariaDb, url: &str, node: &str) {
    silence_for(server, url, (node, 1)).await;
}

async fn silence_for(server: &MariaDb, url: &str, (node, hours): (&str, u32)) {
    let database = url.rsplit('/').next().unwrap();
    let past =
        format!("UPDATE {database}.nodes SET until = until - INTERVAL {hours} HOUR WHERE node = '{node}'");
    sqlx::raw_sql(AssertSqlSafe(past)).execute(&mut server.admin().await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_open_is_not_opened_again() {
    let folder = Folder::new();
    let store = open(&folder.url()).await;
    let refused = persistence::open(&folder.url(), "other", &[&CALL]).await.err().unwrap();
    assert_eq!(refused.status, Status::Unavailable, "{refused}");
    assert!(refused.message.contains("another process has"), "{refused}");
    store.close().await;
    open(&folder.url()).await.close().await;
}

#[tokio::test]
async fn what_a_file_holds_belongs_to_the_node_whatever_its_name_is_now() {
    let folder = Folder::new();
    let store = open(&folder.url()).await;
    let timer = timer();
    let timers = vec![Pending::Set(timer.clone())];
    store.commit(Unit { events: vec![fact("kept")], timers, ..Unit::default() }).await.unwrap();
    store.close().await;
    let store = node(&folder.url(), "renamed").await;
    assert_eq!((told(&store).await, store.timers(9).await.unwrap()), (vec!["kept".to_owned()], vec![timer]));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_and_timers_are_one_nodes_own() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let (one, two) = (open(&url).await, node(&url, "node-b").await);
    write(&one, insert(&call(Uuid::nil(), 1)), "one").await.unwrap();
    write(&two, insert(&call(Uuid::nil(), 2)), "two").await.unwrap();
    assert_eq!((told(&one).await, told(&two).await), (vec!["one".to_owned()], vec!["two".to_owned()]));
    let number = one.outbox(0, 1).await.unwrap()[0].0;
    delivered(&two, &[number]).await;
    assert_eq!(told(&one).await, ["one"]);

    let timer = timer();
    one.commit(Unit { timers: vec![Pending::Set(timer.clone())], ..Unit::default() }).await.unwrap();
    assert_eq!((one.timers(9).await.unwrap().len(), two.timers(9).await.unwrap().len()), (1, 0));
    // whoever moves a timer has it
    two.commit(Unit { timers: vec![Pending::Set(timer)], ..Unit::default() }).await.unwrap();
    assert_eq!((one.timers(9).await.unwrap().len(), two.timers(9).await.unwrap().len()), (0, 1));

    one.renew(&["call-manager"]).await.unwrap();
    let peers = two.nodes().await.unwrap();
    let said: Vec<_> = peers.iter().map(|peer| (peer.node.as_str(), peer.serves.len(), peer.alive)).collect();
    assert_eq!(said, [(NODE, 1, true), ("node-b", 0, true)]);
    one.close().await;
    assert!(!two.nodes().await.unwrap()[0].alive, "a node that stops says so");
    two.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_a_name_ends_the_process_that_had_it() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let old = open(&url).await;
    let new = open(&url).await;
    let row = call(Uuid::nil(), 1);
    let refused = write(&old, insert(&row), "late").await.unwrap_err();
    assert!(refused.is_fenced(), "{refused}");
    assert!(old.renew(&[]).await.unwrap_err().is_fenced());
    assert_eq!((get(&new, id(&row)).await, told(&new).await), (None, Vec::new()));
    write(&new, insert(&row), "in time").await.unwrap();
    old.close().await;
    new.renew(&[]).await.unwrap();
    new.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_node_left_is_taken_over_once_and_in_order() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let dead = node(&url, "dead").await;
    for chunk in 0..6 {
        let events = (0..EVENTS / 6).map(|n| fact(format!("{:04}", chunk * EVENTS / 6 + n))).collect();
        let timers = vec![Pending::Set(timer())];
        dead.commit(Unit { events, timers, ..Unit::default() }).await.unwrap();
    }
    let heirs = [node(&url, "b").await, node(&url, "c").await];
    assert!(!heirs[0].inherit("dead").await.unwrap(), "it is alive");
    silence(&server, &url, "dead").await;
    let taken = join_all(heirs.iter().map(|heir| heir.inherit("dead"))).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);

    let (first, second) = (told(&heirs[0]).await, told(&heirs[1]).await);
    assert!(first.is_empty() || second.is_empty(), "one heir has it all");
    let all: Vec<_> = first.into_iter().chain(second).collect();
    assert!(all.len() == EVENTS as usize && all.is_sorted());
    let timers = [heirs[0].timers(99).await.unwrap().len(), heirs[1].timers(99).await.unwrap().len()];
    assert_eq!(timers.iter().sum::<usize>(), 6);
    assert!(told(&dead).await.is_empty());
    let late = dead.commit(Unit { events: vec![fact("late")], ..Unit::default() }).await.unwrap_err();
    assert!(late.is_fenced(), "{late}");
    assert!(!heirs[1].inherit("dead").await.unwrap(), "nothing is left");
    for store in heirs.into_iter().chain([dead]) {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_back_keeps_what_is_its_own() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let first = node(&url, "a").await;
    first.commit(Unit { events: vec![fact("mine")], ..Unit::default() }).await.unwrap();
    let heir = node(&url, "b").await;
    silence(&server, &url, "a").await;
    let back = node(&url, "a").await;
    assert!(!heir.inherit("a").await.unwrap() && !heir.inherit("b").await.unwrap());
    assert_eq!((told(&back).await, told(&heir).await), (vec!["mine".to_owned()], Vec::new()));
    for store in [first, heir, back] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lived_on_a_dead_node_is_adopted_once_and_its_process_writes_no_more() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let dead = node(&url, "dead").await;
    let on_dead = |status: &str, n| {
        let mut row = call(Uuid::nil(), n);
        row.extend([("status".to_owned(), json!(status)), ("node".to_owned(), json!("dead"))]);
        row
    };
    let (live, over) = (on_dead("up", 1), on_dead("dialing", 2));
    for row in [&live, &over] {
        write(&dead, insert(row), "there").await.unwrap();
    }
    let entry =
        |kind| Entry { kind, id: id(&live), parent: Uuid::nil(), node: "dead".into(), data: "1".into() };
    let journal = ["dialog", "contact"].map(|kind| Journal::Put(entry(kind))).into();
    dead.commit(Unit { journal, ..Unit::default() }).await.unwrap();

    let residents = Residents { rows: vec![(&CALL, vec!["up"])], journal: vec!["dialog"] };
    let heirs = [node(&url, "b").await, node(&url, "c").await];
    assert!(!heirs[0].adopt("dead", &residents).await.unwrap(), "it is alive");
    silence(&server, &url, "dead").await;
    let taken = join_all(heirs.iter().map(|heir| heir.adopt("dead", &residents))).await;
    let taken: Vec<_> = taken.into_iter().map(Result::unwrap).collect();
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    let heir = if taken[0] { "b" } else { "c" };

    let on = |row: Option<protocol::Row>| row.unwrap()["node"].clone();
    assert_eq!(on(get(&heirs[0], id(&live)).await), json!(heir));
    assert_eq!(on(get(&heirs[0], id(&over)).await), json!("dead"), "what is over stays where it was");
    let dialogs = heirs[0].journal("dialog", Some(heir)).await.unwrap();
    assert_eq!(dialogs.iter().map(|entry| entry.id).collect::<Vec<_>>(), [id(&live)]);
    assert_eq!(heirs[0].journal("contact", Some("dead")).await.unwrap().len(), 1, "nobody asked for it");
    let late = write(&dead, insert(&call(Uuid::nil(), 3)), "late").await.unwrap_err();
    assert!(late.is_fenced(), "{late}");
    assert!(!heirs[1].adopt("dead", &residents).await.unwrap(), "nothing is left");
    for store in heirs.into_iter().chain([dead]) {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_forgotten_a_day_after_it_left_nothing_and_its_process_stays_out() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let (dead, heir) = (node(&url, "dead").await, node(&url, "b").await);
    let mut row = call(Uuid::nil(), 1);
    row.extend([("status".to_owned(), json!("up")), ("node".to_owned(), json!("dead"))]);
    write(&dead, insert(&row), "left").await.unwrap();
    let residents = Residents { rows: vec![(&CALL, vec!["up"])], journal: vec!["dialog"] };
    let known = async || heir.nodes().await.unwrap().iter().any(|peer| peer.node == "dead");
    silence_for(&server, &url, ("dead", 23)).await;
    assert!(heir.inherit("dead").await.unwrap() && heir.adopt("dead", &residents).await.unwrap());
    silence_for(&server, &url, ("dead", 23)).await;
    assert!(!heir.retire("dead", &residents).await.unwrap(), "it is not gone for a day");
    silence_for(&server, &url, ("dead", 2)).await;
    assert!(heir.retire("dead", &residents).await.unwrap() && !known().await);
    assert!(!heir.retire("dead", &residents).await.unwrap(), "once");
    // it slept all the time, and the name was given to another process, and forgotten again
    let late = dead.commit(Unit { events: vec![fact("late")], ..Unit::default() }).await.unwrap_err();
    assert!(late.is_fenced(), "{late}");
    let again = node(&url, "dead").await;
    assert!(dead.renew(&[]).await.unwrap_err().is_fenced());
    write(&again, insert(&call(Uuid::nil(), 2)), "anew").await.unwrap();
    for store in [dead, again, heir] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_under_which_something_is_left_is_kept() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let heir = node(&url, "b").await;
    let residents = Residents { rows: vec![(&CALL, vec!["up"])], journal: vec!["dialog"] };
    let mut row = call(Uuid::nil(), 1);
    row.extend([("status".to_owned(), json!("up")), ("node".to_owned(), json!("rows"))]);
    let entry = Entry {
        kind: "dialog",
        id: Uuid::now_v7(),
        parent: Uuid::nil(),
        node: "journal".into(),
        data: "1".into(),
    };
    let left = [
        ("rows", Unit { writes: vec![insert(&row)], ..Unit::default() }),
        ("journal", Unit { journal: vec![Journal::Put(entry)], ..Unit::default() }),
        ("events", Unit { events: vec![fact("left")], ..Unit::default() }),
        ("timers", Unit { timers: vec![Pending::Set(timer())], ..Unit::default() }),
    ];
    for (name, unit) in left {
        let dead = node(&url, name).await;
        dead.commit(unit).await.unwrap();
        dead.close().await;
        silence_for(&server, &url, (name, 48)).await;
        assert!(!heir.retire(name, &residents).await.unwrap(), "{name}");
    }
    assert!(!heir.retire("b", &residents).await.unwrap(), "nobody forgets oneself");
    heir.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_doubted_is_quiet_until_it_says_something() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let (one, two) = (node(&url, "a").await, node(&url, "b").await);
    let standing = async || {
        let nodes = one.nodes().await.unwrap();
        let peer = nodes.into_iter().find(|peer| peer.node == "b").unwrap();
        (peer.alive, peer.quiet)
    };
    assert_eq!(standing().await, (true, false));
    one.doubt("b").await.unwrap();
    assert_eq!(standing().await, (false, true));
    two.renew(&[]).await.unwrap();
    assert_eq!(standing().await, (true, false));
    two.doubt("b").await.unwrap();
    assert_eq!(standing().await, (true, false), "nobody doubts oneself");
    one.close().await;
    two.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_agree_on_what_the_first_one_said() {
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let (one, two) = (node(&url, "a").await, node(&url, "b").await);
    let said = join_all([one.agree("key", "1"), two.agree("key", "2")]).await;
    let said: Vec<_> = said.into_iter().map(Result::unwrap).collect();
    assert_eq!(said[0], said[1]);
    assert_eq!(two.agree("other", "3").await.unwrap(), "3");
    two.decide("key", "4").await.unwrap();
    assert_eq!(one.agree("key", "1").await.unwrap(), "4");
    one.close().await;
    two.close().await;
}
