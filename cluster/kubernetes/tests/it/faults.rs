//! What a watch sees when the server or the way to it fails: later, and never less.

use protocol::ports::Sighting;

use crate::api_server::{ApiServer, pod};
use crate::watcher::Watcher;

#[tokio::test]
async fn a_connection_that_is_cut_costs_nothing() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    server.put(pod("call-1", 2));
    let mut watcher = Watcher::of(&server);
    watcher.sees(1).await;
    server.put(pod("call-2", 3));
    assert_eq!(watcher.sees(1).await, ["there: call-2"]);
    server.cut();
    server.delete("call-0");
    server.delete("call-1");
    assert_eq!(watcher.sees(2).await, ["gone: call-0", "gone: call-1"]);
    let (lists, watches) = server.requests();
    assert_eq!((lists.len(), watches.len()), (1, 2), "it went on where it was");
}

#[tokio::test]
async fn what_went_while_its_version_grew_too_old_is_missing_from_the_next_list() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    server.put(pod("call-1", 2));
    let mut watcher = Watcher::of(&server);
    assert_eq!(watcher.sees(1).await, ["all: call-0 call-1"]);
    server.delete("call-0");
    server.compact();
    assert_eq!(watcher.sees(1).await, ["all: call-1"]);
    server.delete("call-1");
    assert_eq!(watcher.sees(1).await, ["gone: call-1"]);
    assert_eq!(server.requests().0.len(), 2);
}

#[tokio::test]
async fn a_version_that_is_refused_at_the_door_is_not_asked_for_again() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    let mut watcher = Watcher::of(&server);
    watcher.sees(1).await;
    server.refuse(&[410]);
    assert_eq!(watcher.sees(1).await, ["all: call-0"]);
    let (lists, watches) = server.requests();
    assert_eq!((lists.len(), watches.len()), (2, 1));
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again_a_counted_number_of_times() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    server.refuse(&[500, 429, 503, 500, 429]);
    let mut watcher = Watcher::of(&server);
    let (seen, failures) = watcher.next().await;
    assert!(matches!(&seen[..], [Sighting::All(pods)] if pods.len() == 1));
    assert_eq!((failures, server.requests().0.len()), (5, 6), "no request but those that were told of");
    server.refuse(&[429, 500]);
    server.put(pod("call-1", 2));
    let (_, failures) = watcher.next().await;
    assert_eq!((failures, server.requests().1.len()), (2, 3));
    assert_eq!(server.requests().0.len(), 6, "a watch that is refused needs no new list");
}

#[tokio::test]
async fn behind_a_line_that_nobody_can_read_it_looks_at_everything_again() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    server.put(pod("call-1", 2));
    let mut watcher = Watcher::of(&server);
    watcher.sees(1).await;
    server.delete_garbled("call-0");
    assert_eq!(watcher.sees(1).await, ["all: call-1"]);
}

#[tokio::test]
async fn a_watch_that_ends_at_once_is_a_failure() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    let mut watcher = Watcher::of(&server);
    watcher.sees(1).await;
    for times in 1..=3 {
        let then = async {
            server.watched(times).await;
            server.end();
        };
        tokio::join!(watcher.fails(), then);
    }
    assert_eq!((server.requests().0.len(), server.requests().1.len()), (1, 3));
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_of_a_line_misses_no_line() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    let mut watcher = Watcher::of(&server);
    watcher.sees(1).await;
    let then = async {
        server.watched(1).await;
        server.cut();
        server.watched(2).await;
        server.delete("call-0");
    };
    let (seen, ()) = tokio::join!(watcher.sees(1), then);
    assert_eq!(seen, ["gone: call-0"]);
    assert_eq!(server.requests().0.len(), 1);
}
