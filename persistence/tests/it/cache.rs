//! The cache in this process.

use futures_util::future::join_all;
use persistence::cache::memory;
use tokio::time::{Duration, Instant, sleep};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_value_is_kept_until_its_time_is_over() {
    let cache = memory();
    assert_eq!(cache.get("a").await.unwrap(), None);
    cache.put("a", "1".into(), LONG).await.unwrap();
    cache.put("b", "2".into(), Duration::from_millis(30)).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), Some("1".into()));
    cache.put("a", "3".into(), LONG).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), Some("3".into()));

    let until = Instant::now() + Duration::from_secs(5);
    while cache.get("b").await.unwrap().is_some() {
        assert!(Instant::now() < until, "the value outlived its time");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(cache.take("b").await.unwrap(), None);
    cache.forget("a").await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), None);
    cache.health().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_taken_once() {
    let cache = memory();
    for round in 0..20 {
        let key = format!("token {round}");
        cache.put(&key, "t".into(), LONG).await.unwrap();
        let takers = (0..16).map(|_| {
            let (cache, key) = (cache.clone(), key.clone());
            tokio::spawn(async move { cache.take(&key).await.unwrap() })
        });
        let taken = join_all(takers.collect::<Vec<_>>()).await;
        assert_eq!(taken.into_iter().filter_map(Result::unwrap).count(), 1);
    }
}

#[tokio::test]
async fn what_is_new_stays_when_the_cache_is_full() {
    let cache = memory();
    let large = bytes::Bytes::from(vec![0; 1 << 20]);
    for n in 0..200 {
        cache.put(&format!("large {n}"), large.clone(), LONG).await.unwrap();
    }
    cache.put("token", "t".into(), LONG).await.unwrap();
    assert_eq!(cache.get("token").await.unwrap(), Some("t".into()));
    assert_eq!(cache.get("large 199").await.unwrap(), Some(large));
}

#[tokio::test]
async fn a_rate_grants_its_burst_and_no_more() {
    let cache = memory();
    let mut granted = 0;
    while cache.rate("ip", 0.01, 5).await.unwrap().is_none() {
        granted += 1;
        assert!(granted <= 5);
    }
    assert_eq!(granted, 5);
    let wait = cache.rate("ip", 0.01, 5).await.unwrap().unwrap();
    assert!(wait > Duration::from_secs(90) && wait <= Duration::from_secs(100), "{wait:?}");
    assert!(cache.rate("another", 0.01, 5).await.unwrap().is_none());
    assert!(cache.rate("ip", 0.0, 5).await.is_err());
}
