//! The cache in this process: bounded.

use persistence::cache::memory;
use tokio::time::Duration;

const LONG: Duration = Duration::from_secs(60);

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
