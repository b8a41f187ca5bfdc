//! A Redis that hangs, dies, forgets, refuses, or was never there.

use std::sync::Arc;

use persistence::cache;
use protocol::ports::Cache;
use protocol::{Error, Status};
use tokio::time::{Duration, Instant, sleep};

use crate::redis::Redis;

const LONG: Duration = Duration::from_secs(60);
/// No answer takes longer, whatever happens to Redis: half a second, and more for a busy machine.
const BOUND: Duration = Duration::from_secs(2);
/// An outage is over so long after its cause.
const BACK: Duration = Duration::from_secs(5);

async fn every_call(cache: &dyn Cache) -> Vec<Error> {
    let calls: [(&str, Option<Error>); 6] = [
        ("get", cache.get("a").await.err()),
        ("put", cache.put("a", "1".into(), LONG).await.err()),
        ("forget", cache.forget("a").await.err()),
        ("take", cache.take("a").await.err()),
        ("rate", cache.rate("a", 1.0, 1).await.err()),
        ("health", cache.health().await.err()),
    ];
    calls.into_iter().map(|(call, error)| error.unwrap_or_else(|| panic!("{call} was answered"))).collect()
}

/// It works within [`BACK`].
async fn comes_back(cache: &dyn Cache) {
    let since = Instant::now();
    while let Err(error) = cache.health().await {
        assert!(since.elapsed() < BACK, "{error}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_redis_that_hangs_is_unavailable_within_a_bound() {
    let Some(server) = Redis::start().await else { return };
    let cache = cache::open(&server.url()).await.unwrap();
    cache.put("kept", "1".into(), LONG).await.unwrap();
    server.hang();
    let (since, mut slowest) = (Instant::now(), Duration::ZERO);
    let mut quick = 0;
    // first each waits for its answer in vain, then the connection is given up and nobody waits
    while quick < 10 {
        let asked = Instant::now();
        let error = cache.get("kept").await.unwrap_err();
        assert_eq!(error.status, Status::Unavailable, "{error}");
        slowest = slowest.max(asked.elapsed());
        quick = if asked.elapsed() < Duration::from_millis(20) { quick + 1 } else { 0 };
        assert!(since.elapsed() < BACK, "it is never given up");
    }
    assert!(slowest < BOUND, "{slowest:?}");
    server.go_on();
    comes_back(&*cache).await;
    assert_eq!(cache.get("kept").await.unwrap(), Some("1".into()));
}

#[tokio::test]
async fn a_redis_that_was_killed_works_again_when_it_is_back() {
    let Some(mut server) = Redis::start().await else { return };
    let cache = cache::open(&server.url()).await.unwrap();
    for _ in 0..3 {
        cache.put("token", "t".into(), LONG).await.unwrap();
        server.kill();
        let since = Instant::now();
        let errors = every_call(&*cache).await;
        assert!(errors.iter().all(|error| error.status == Status::Unavailable), "{errors:?}");
        assert!(since.elapsed() < BOUND, "{:?}", since.elapsed());
        server.restart().await;
        comes_back(&*cache).await;
        assert_eq!(cache.take("token").await.unwrap(), None, "it was not on disk");
        assert_eq!(cache.rate("a", 0.01, 1).await.unwrap(), None);
        assert!(cache.rate("a", 0.01, 1).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_was_flushed_is_gone_and_no_token_comes_back() {
    let Some(server) = Redis::start().await else { return };
    let cache = cache::open(&server.url()).await.unwrap();
    cache.put("used", "t".into(), LONG).await.unwrap();
    cache.put("unused", "t".into(), LONG).await.unwrap();
    assert!(cache.take("used").await.unwrap().is_some());
    assert_eq!(cache.rate("a", 0.01, 1).await.unwrap(), None);
    for flush in ["FLUSHALL", "SCRIPT FLUSH"] {
        assert_eq!(server.ask(flush).unwrap(), "+OK\r\n");
    }
    for key in ["used", "unused"] {
        assert_eq!((cache.get(key).await.unwrap(), cache.take(key).await.unwrap()), (None, None), "{key}");
    }
    assert_eq!(cache.rate("a", 0.01, 1).await.unwrap(), None, "a rate begins anew");
    assert!(cache.rate("a", 0.01, 1).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_used_once_at_most_while_redis_dies() {
    let Some(mut server) = Redis::start().await else { return };
    let cache = cache::open(&server.url()).await.unwrap();
    for n in 0..200 {
        cache.put(&format!("token {n}"), "t".into(), LONG).await.unwrap();
    }
    let takers: Vec<_> = (0..400)
        .map(|n| {
            let (cache, key) = (cache.clone(), format!("token {}", n % 200));
            tokio::spawn(async move { (n % 200, cache.take(&key).await.is_ok_and(|taken| taken.is_some())) })
        })
        .collect();
    server.kill();
    let mut used = vec![0; 200];
    for taker in takers {
        let (token, taken) = taker.await.unwrap();
        used[token] += u32::from(taken);
    }
    assert!(used.iter().all(|times| *times <= 1), "{used:?}");
}

#[tokio::test]
async fn keys_are_marked_and_do_not_stay() {
    let Some(server) = Redis::start().await else { return };
    let cache = cache::open(&server.url()).await.unwrap();
    cache.put("a", "1".into(), LONG).await.unwrap();
    cache.rate("ip", 0.1, 3).await.unwrap();
    let keys = server.ask("KEYS *").unwrap();
    assert!(keys.contains("branchline:kept:a") && keys.starts_with("*2"), "{keys}");
    let left = server.ask("PTTL branchline:rate:ip").unwrap();
    let left: i64 = left.trim_start_matches(':').trim().parse().unwrap();
    assert!((1..=10_000).contains(&left), "no longer than its bucket takes to fill: {left}");
}

#[tokio::test]
async fn a_time_from_a_clock_that_was_set_back_is_not_waited_for() {
    let Some(server) = Redis::start().await else { return };
    let cache = cache::open(&server.url()).await.unwrap();
    for nonsense in ["9000000000000000", "nonsense"] {
        server.ask(&format!("SET branchline:rate:ip {nonsense}")).unwrap();
        assert_eq!(cache.rate("ip", 0.01, 1).await.unwrap(), None, "{nonsense}");
        assert!(cache.rate("ip", 0.01, 1).await.unwrap().is_some(), "{nonsense}");
    }
}

#[tokio::test]
async fn two_nodes_share_what_is_in_one_redis_and_one_database_of_it() {
    let Some(server) = Redis::start().await else { return };
    let open = async |number: &str| cache::open(&format!("{}{number}", server.url())).await.unwrap();
    let (one, two, apart) = (open("").await, open("/0").await, open("/1").await);
    one.put("a", "1".into(), LONG).await.unwrap();
    assert_eq!(two.get("a").await.unwrap(), Some("1".into()));
    assert_eq!(apart.get("a").await.unwrap(), None);
    let both = [&one, &two, &one, &two];
    let mut granted = 0;
    for cache in both {
        granted += u32::from(cache.rate("ip", 0.01, 3).await.unwrap().is_none());
    }
    assert_eq!(granted, 3);
    assert_eq!(apart.rate("ip", 0.01, 3).await.unwrap(), None);
}

#[tokio::test]
async fn a_password_is_used_and_never_told() {
    let Some(server) = Redis::with(&["--requirepass", "p@ss w0rd"]).await else { return };
    let open = async |user: &str| -> Arc<dyn Cache> {
        cache::open(&server.url().replace("//", &format!("//{user}"))).await.unwrap()
    };
    for user in [":p%40ss%20w0rd@", "default:p%40ss%20w0rd@"] {
        open(user).await.health().await.unwrap();
    }
    for user in ["", ":wrong-secret@", "nobody:wrong-secret@"] {
        let error = open(user).await.health().await.unwrap_err();
        assert_eq!(error.status, Status::Unavailable, "{error}");
        assert!(error.message.contains("password"), "{error}");
        assert!(!format!("{error} {error:?}").contains("wrong-secret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_redis_that_is_not_there_yet_is_found_when_it_is() {
    let Some(mut server) = Redis::start().await else { return };
    server.kill();
    let cache = cache::open(&server.url()).await.unwrap();
    let errors = every_call(&*cache).await;
    for error in errors {
        assert_eq!(error.status, Status::Unavailable);
        assert!(error.message.contains("connection refused"), "{error}");
    }
    server.restart().await;
    comes_back(&*cache).await;
}

#[tokio::test]
async fn many_callers_of_a_redis_that_hangs_are_not_queued() {
    let Some(server) = Redis::start().await else { return };
    let cache = cache::open(&server.url()).await.unwrap();
    server.hang();
    let since = Instant::now();
    let callers: Vec<_> = (0..5000)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.get("a").await.unwrap_err() })
        })
        .collect();
    let mut refused = 0;
    for caller in callers {
        refused += usize::from(caller.await.unwrap().message.contains("too many"));
    }
    assert!(since.elapsed() < BOUND, "{:?}", since.elapsed());
    assert!(refused > 3000, "{refused}");
    server.go_on();
    comes_back(&*cache).await;
}

#[tokio::test]
async fn a_connection_ends_with_its_cache() {
    let Some(server) = Redis::start().await else { return };
    let clients = || server.ask("INFO clients").unwrap().contains("connected_clients:1\r");
    let cache = cache::open(&server.url()).await.unwrap();
    assert!(!clients());
    drop(cache);
    let since = Instant::now();
    while !clients() {
        assert!(since.elapsed() < BACK, "still connected");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_url_that_is_none_says_what_one_is() {
    for (url, words) in [
        ("memcached://u:pw@h", "the cache must be memory: or redis://"),
        ("memory:there", "the cache must be memory: or redis://"),
        ("", "the cache must be memory: or redis://"),
        ("redis:", "cannot be read"),
        ("redis://u:pw@h:port", "cannot be read"),
        ("redis://u:pw@h/name", "cannot be read"),
        ("redis://u:pw@h/1/2", "cannot be read"),
    ] {
        let error = cache::open(url).await.err().unwrap();
        assert_eq!(error.status, Status::InvalidArgument, "{url}: {error}");
        assert!(error.message.contains(words), "{url}: {error}");
        assert!(!format!("{error:?}").contains("pw"), "{url}: {error:?}");
    }
}
