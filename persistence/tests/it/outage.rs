//! The database goes away and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use protocol::Status;
use protocol::ports::{Entry, Journal};
use sqlx::{Connection as _, Executor as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use uuid::Uuid;

use crate::database::open;
use crate::mariadb::{MariaDb, free_port};
use crate::sample::{call, get, id, insert, told, unit, write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_the_database_refuses_fails_alone() {
    let Some(server) = MariaDb::start().await else { return };
    let store = open(&server.database().await).await;
    let commits = (0..100).map(|n| {
        // the column of the node takes 255 characters
        let node = if n % 10 == 9 { "n".repeat(300) } else { "n".into() };
        let entry = Entry { kind: "call", id: Uuid::now_v7(), parent: Uuid::nil(), node, data: "{}".into() };
        let mut unit = unit(vec![insert(&call(Uuid::nil(), n))], n);
        unit.journal.push(Journal::Put(entry));
        let store = store.clone();
        tokio::spawn(async move { store.commit(unit).await.map_err(|error| error.status) })
    });
    let outcomes = join_all(commits.collect::<Vec<_>>()).await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let expected = if n % 10 == 9 { Err(Status::Internal) } else { Ok(()) };
        assert_eq!(outcome.unwrap(), expected, "unit {n}");
    }
    assert_eq!(told(&store).await.len(), 90);
    assert_eq!(store.journal("call", None).await.unwrap().len(), 90);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_works_again_when_its_database_is_back() {
    let Some(mut server) = MariaDb::start().await else { return };
    let store = open(&server.database().await).await;
    let one = call(Uuid::nil(), 1);
    write(&store, insert(&one), "first").await.unwrap();
    server.kill();
    for _ in 0..3 {
        let error = write(&store, insert(&call(Uuid::nil(), 2)), "refused").await.unwrap_err();
        assert_eq!(error.status, Status::Unavailable, "{error}");
    }
    assert_eq!(store.timers(1).await.unwrap_err().status, Status::Unavailable);
    server.restart().await;
    write(&store, insert(&call(Uuid::nil(), 3)), "second").await.unwrap();
    assert_eq!(get(&store, id(&one)).await, Some(one));

    // nobody wrote meanwhile: the next writer does not pay for the connection that is gone
    let idle = Instant::now() + Duration::from_secs(2);
    server.kill();
    server.restart().await;
    sleep_until(idle).await;
    write(&store, insert(&call(Uuid::nil(), 4)), "third").await.unwrap();
    assert_eq!(told(&store).await, ["first", "second", "third"]);
    store.health().await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_without_an_answer_is_unknown_and_its_events_are_not_lost() {
    let Some(server) = MariaDb::start().await else { return };
    let cut = Arc::new(AtomicBool::new(false));
    let (mut relay, url) = relayed(&server, cut.clone(), Fault::Cut).await;
    let store = open(&url).await;

    let (one, mut committed) = (call(Uuid::nil(), 1), store.committed());
    cut.store(true, Ordering::SeqCst);
    let error = write(&store, insert(&one), "first").await.unwrap_err();
    assert_eq!((error.status, error.reason.as_ref()), (Status::Unavailable, "COMMIT_UNKNOWN"), "{error}");
    committed.changed().await.unwrap();
    let again = write(&store, insert(&one), "again").await.unwrap_err();
    assert_eq!(again.status, Status::AlreadyExists, "the server had committed");
    assert_eq!(told(&store).await, ["first"]);
    store.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_ends_costs_the_writer_its_connection_and_no_more() {
    /// The server itself ends a connection of which it hears nothing after 10 s.
    const BACK: Duration = Duration::from_secs(8);
    let Some(server) = MariaDb::start().await else { return };
    let mute = Arc::new(AtomicBool::new(false));
    let (mut relay, url) = relayed(&server, mute.clone(), Fault::Mute).await;
    let store = open(&url).await;
    mute.store(true, Ordering::SeqCst);
    let back = Instant::now() + BACK;
    write(&store, insert(&call(Uuid::nil(), 1)), "first").await.unwrap_err();
    while write(&store, insert(&call(Uuid::nil(), 2)), "second").await.is_err() {
        assert!(Instant::now() < back, "the writer waits for what never comes");
    }
    assert_eq!(told(&store).await[0], "first", "the server had committed");
    store.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_nobody_waits_for_any_more_keep_no_connection() {
    /// More than there are connections for reads.
    const READS: usize = 10;
    let Some(server) = MariaDb::start().await else { return };
    let url = server.database().await;
    let store = open(&url).await;
    let one = call(Uuid::nil(), 1);
    write(&store, insert(&one), "first").await.unwrap();
    let mut other = sqlx::MySqlConnection::connect(&url).await.unwrap();
    other.execute("LOCK TABLES `call` WRITE").await.unwrap();
    let reads = join_all((0..READS).map(|_| get(&store, id(&one))));
    assert!(timeout(Duration::from_millis(200), reads).await.is_err(), "nothing is read from a locked table");
    store.health().await.unwrap();
    other.execute("UNLOCK TABLES").await.unwrap();
    assert_eq!(get(&store, id(&one)).await, Some(one));
    store.close().await;
}

/// What befalls the next connection that commits.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// It is ended before the answer.
    Cut,
    /// It stays, and nothing comes on it any more.
    Mute,
}

/// A relay before a server, and the URL of a database through it. It reads what passes: that must not be encrypted.
async fn relayed(server: &MariaDb, now: Arc<AtomicBool>, fault: Fault) -> (JoinSet<()>, String) {
    let port = free_port();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let mut relay = JoinSet::new();
    relay.spawn(serve(listener, server.port, now, fault));
    let url = server.database().await.replace(&format!(":{}/", server.port), &format!(":{port}/"));
    (relay, format!("{url}?ssl-mode=DISABLED"))
}

/// Passes everything on until it is `now`.
async fn serve(listener: TcpListener, server: u16, now: Arc<AtomicBool>, fault: Fault) {
    let mut links = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
        links.spawn(link(client, server, now.clone(), fault));
    }
}

async fn link(client: TcpStream, server: TcpStream, now: Arc<AtomicBool>, fault: Fault) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let mut asked = vec![0; 64 * 1024];
    let mut answered = asked.clone();
    loop {
        tokio::select! {
            read = from_client.read(&mut asked) => match read {
                Ok(length) if length > 0 => {
                    to_server.write_all(&asked[..length]).await.unwrap();
                    let commits = asked[..length].windows(6).any(|word| word == b"COMMIT");
                    if commits && now.swap(false, Ordering::SeqCst) {
                        // the server has its answer ready: the commit is done
                        let _ = from_server.read(&mut answered).await;
                        if fault == Fault::Mute {
                            while from_client.read(&mut asked).await.is_ok_and(|length| length > 0) {}
                        }
                        return;
                    }
                }
                _ => return,
            },
            read = from_server.read(&mut answered) => match read {
                Ok(length) if length > 0 => to_client.write_all(&answered[..length]).await.unwrap(),
                _ => return,
            },
        }
    }
}
