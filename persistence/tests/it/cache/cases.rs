//! What every cache does.

use bytes::Bytes;
use futures_util::future::join_all;
use protocol::Status;
use protocol::ports::Cache;
use tokio::time::{Duration, Instant, sleep};

use super::on_each;

const LONG: Duration = Duration::from_secs(60);

async fn is_gone(cache: &dyn Cache, key: &str) {
    let until = Instant::now() + Duration::from_secs(5);
    while cache.get(key).await.unwrap().is_some() {
        assert!(Instant::now() < until, "the value outlived its time");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_value_is_kept_until_its_time_is_over() {
    on_each(async |cache| {
        assert_eq!(cache.get("a").await.unwrap(), None);
        cache.put("a", "1".into(), LONG).await.unwrap();
        cache.put("b", "2".into(), Duration::from_millis(30)).await.unwrap();
        assert_eq!(cache.get("a").await.unwrap(), Some("1".into()));
        cache.put("a", "3".into(), LONG).await.unwrap();
        assert_eq!(cache.get("a").await.unwrap(), Some("3".into()));
        is_gone(&*cache, "b").await;
        assert_eq!(cache.take("b").await.unwrap(), None);
        cache.forget("a").await.unwrap();
        cache.forget("a").await.unwrap();
        assert_eq!(cache.get("a").await.unwrap(), None);
        cache.health().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_last_life_of_a_value_counts() {
    on_each(async |cache| {
        cache.put("a", "long".into(), LONG).await.unwrap();
        cache.put("a", "short".into(), Duration::from_millis(20)).await.unwrap();
        is_gone(&*cache, "a").await;
        cache.put("a", "long".into(), LONG).await.unwrap();
        cache.put("a", "none".into(), Duration::ZERO).await.unwrap();
        assert_eq!(cache.get("a").await.unwrap(), None);
        let error = cache.put("a", "endless".into(), Duration::MAX).await.unwrap_err();
        assert_eq!(error.status, Status::InvalidArgument, "{error}");
    })
    .await;
}

#[tokio::test]
async fn any_bytes_are_kept_as_they_are() {
    on_each(async |cache| {
        let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for (key, value) in [("empty", Bytes::new()), ("lines\r\n*1", "\r\n$-1\r\n".into()), ("", all.into())]
        {
            cache.put(key, value.clone(), LONG).await.unwrap();
            assert_eq!(cache.get(key).await.unwrap(), Some(value.clone()));
            assert_eq!(cache.take(key).await.unwrap(), Some(value));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_taken_once() {
    on_each(async |cache| {
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
    })
    .await;
}

/// Per second, burst, how many are granted at once, and then the wait in seconds.
const RATES: [(f64, u32, usize, f64); 5] = [
    (0.01, 5, 5, 100.0),
    (0.001, 1, 1, 1000.0),
    // a burst of nothing grants one all the same
    (0.02, 0, 1, 50.0),
    (1.0 / 86_400.0, 2, 2, 86_400.0),
    // no slower than one a day
    (f64::MIN_POSITIVE, 3, 3, 86_400.0),
];

#[tokio::test]
async fn a_rate_grants_its_burst_and_no_more() {
    on_each(async |cache| {
        for (per_second, burst, expected, seconds) in RATES {
            let key = format!("{per_second} {burst}");
            let mut granted = 0;
            let wait = loop {
                match cache.rate(&key, per_second, burst).await.unwrap() {
                    None => granted += 1,
                    Some(wait) => break wait.as_secs_f64(),
                }
                assert!(granted <= expected, "{key}: too many");
            };
            assert_eq!(granted, expected, "{key}");
            assert!(wait > seconds * 0.8 && wait <= seconds, "{key}: {wait}");
        }
        assert!(cache.rate("fast", f64::INFINITY, 1).await.unwrap().is_none());
        assert!(cache.rate("fast", f64::INFINITY, 1).await.unwrap().is_none());
        for nothing in [0.0, -1.0, f64::NAN] {
            let error = cache.rate("none", nothing, 5).await.unwrap_err();
            assert_eq!(error.status, Status::InvalidArgument, "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_rate_grants_again_when_its_wait_is_over() {
    on_each(async |cache| {
        let since = Instant::now();
        let mut longest = Duration::from_secs(1);
        assert_eq!(cache.rate("a", 1.0, 1).await.unwrap(), None);
        while let Some(wait) = cache.rate("a", 1.0, 1).await.unwrap() {
            assert!(wait <= longest, "what was refused counted: {wait:?} after {longest:?}");
            assert!(since.elapsed() < Duration::from_secs(5), "never granted again");
            longest = wait;
            sleep(wait / 2).await;
        }
        assert!(since.elapsed() >= Duration::from_millis(999), "granted too soon: {:?}", since.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_side_by_side_share_a_rate() {
    on_each(async |cache| {
        let callers = (0..64).map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.rate("shared", 0.01, 10).await.unwrap().is_none() })
        });
        let granted = join_all(callers.collect::<Vec<_>>()).await;
        assert_eq!(granted.into_iter().filter_map(Result::ok).filter(|granted| *granted).count(), 10);
    })
    .await;
}

#[tokio::test]
async fn a_rate_that_was_changed_is_the_new_one() {
    on_each(async |cache| {
        for _ in 0..100 {
            assert_eq!(cache.rate("a", 0.01, 100).await.unwrap(), None);
        }
        assert_eq!(cache.rate("a", 0.1, 1).await.unwrap(), None, "the old one's wait is not the new one's");
        assert!(cache.rate("a", 0.1, 1).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn values_and_rates_do_not_meet() {
    on_each(async |cache| {
        assert_eq!(cache.rate("a", 0.01, 1).await.unwrap(), None);
        assert_eq!(cache.get("a").await.unwrap(), None);
        cache.put("a", "1".into(), LONG).await.unwrap();
        cache.forget("a").await.unwrap();
        assert!(cache.rate("a", 0.01, 1).await.unwrap().is_some());
    })
    .await;
}
