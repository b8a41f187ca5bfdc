//! What a watch sees while all is well.

use kubernetes::Limits;
use protocol::ports::Sighting;

use crate::api_server::{ApiServer, pod, uuid, with};
use crate::watcher::{Watcher, limits};

#[tokio::test]
async fn every_change_is_seen_in_order_after_the_list() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    let mut watcher = Watcher::of(&server);
    assert_eq!(watcher.sees(1).await, ["all: call-0"]);
    server.put(pod("call-1", 2));
    server.put(with(pod("call-0", 1), "/status/phase", "Failed"));
    server.delete("call-0");
    assert_eq!(watcher.sees(3).await, ["there: call-1", "there: call-0", "gone: call-0"]);
}

#[tokio::test]
async fn a_pod_that_is_told_to_stop_is_still_there() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    let mut watcher = Watcher::of(&server);
    watcher.sees(1).await;
    server.put(with(pod("call-0", 1), "/metadata/deletionTimestamp", "2026-01-01T00:00:00Z"));
    let (seen, _) = watcher.next().await;
    let [Sighting::There(pod)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((&*pod.uid, pod.stopping_since.as_deref()), (&*uuid(1), Some("2026-01-01T00:00:00Z")));
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let server = ApiServer::start().await;
    for number in 0..7 {
        server.put(pod(&format!("call-{number}"), number));
    }
    let mut watcher = Watcher::with(&server, Limits { page: 3, ..limits() });
    assert_eq!(watcher.sees(1).await, ["all: call-0 call-1 call-2 call-3 call-4 call-5 call-6"]);
    let (lists, _) = server.requests();
    assert_eq!(lists.len(), 3);
    assert!(lists.iter().all(|list| list.contains("limit=3") && !list.contains("resourceVersion")));
    assert!(lists[1].contains("continue=call-2") && lists[2].contains("continue=call-5"));
}

#[tokio::test]
async fn the_next_watch_begins_at_the_bookmark() {
    let server = ApiServer::start().await;
    server.put(pod("call-0", 1));
    let mut watcher = Watcher::of(&server);
    watcher.sees(1).await;
    let then = async {
        server.watched(1).await;
        let version = server.bookmark();
        server.end();
        server.watched(2).await;
        server.put(pod("call-1", 2));
        version
    };
    let (seen, version) = tokio::join!(watcher.sees(1), then);
    assert_eq!(seen, ["there: call-1"]);
    let (lists, watches) = server.requests();
    assert_eq!((lists.len(), watches.len()), (1, 2));
    assert!(watches[1].contains(&format!("resourceVersion={version}")), "{watches:?}");
}

#[tokio::test]
async fn a_burst_of_500_deletions_is_seen_whole_and_in_batches() {
    let server = ApiServer::start().await;
    for number in 0..500 {
        server.put(pod(&format!("call-{number:03}"), number));
    }
    let mut watcher = Watcher::of(&server);
    watcher.sees(1).await;
    for number in 0..500 {
        server.delete(&format!("call-{number:03}"));
    }
    let mut gone = Vec::new();
    while gone.len() < 500 {
        let (seen, failures) = watcher.next().await;
        assert!(failures == 0 && seen.len() <= 64, "{} at once", seen.len());
        for sighting in seen {
            let Sighting::Gone(pod) = sighting else { panic!("{sighting:?}") };
            gone.push(pod.name);
        }
    }
    let expected: Vec<_> = (0..500).map(|number| format!("call-{number:03}")).collect();
    assert_eq!(gone, expected);
    assert_eq!(server.requests().1.len(), 1);
}
