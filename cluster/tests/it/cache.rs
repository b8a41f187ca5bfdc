//! Nodes over one Redis: they share rates, and go on without it.

use std::path::PathBuf;
use std::time::Duration;

use cluster::Node;
use cluster::bus::memory::Broker;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::api::{Api, LOOK, PATIENCE};
use crate::platform::{Platform, plan};
use crate::redis::Redis;

/// Granted at once; the next one is many seconds away.
const BURST: u32 = 6;
/// A request takes no longer because of the cache: what a count is waited for, and some for a busy machine.
const BOUND: Duration = Duration::from_secs(2);

/// A node, and a second one that only serves HTTP: both ask the same domains for the same customers.
struct Pair {
    near: Platform,
    far: Node,
    folder: PathBuf,
    by: [Api; 2],
}

impl Pair {
    async fn start(redis: &Redis, patience: Duration) -> Pair {
        let (broker, url) = (Broker::default(), redis.url());
        let adjust = |plan: &mut cluster::Plan| {
            plan.cache = url.clone();
            plan.broker = broker.clone();
            plan.gateway.limits.customer = gateway::Rate::new(0.01, BURST);
            plan.gateway.limits.patience = patience;
        };
        let near = Platform::with(adjust).await;
        let folder = std::env::temp_dir().join(format!("branchline-far-{}", uuid::Uuid::now_v7()));
        let mut plan = plan(folder.clone());
        adjust(&mut plan);
        plan.settings.node = "far".into();
        plan.serve = vec!["gateway".into()];
        let far = Node::start(plan).await.unwrap();
        let at = far.gateway.as_ref().unwrap().local_addr();
        let by = [near.api().clone(), Api::new(at, &near.welcome.accesskey)];
        Pair { near, far, folder, by }
    }

    async fn stop(self) {
        self.far.stop(Duration::from_secs(5)).await;
        self.near.stop().await;
        let _ = std::fs::remove_dir_all(self.folder);
    }
}

/// How many of some requests are granted. The others are refused as too many, and nothing else happens.
async fn granted(api: &Api, requests: u32) -> u32 {
    let mut granted = 0;
    for _ in 0..requests {
        let asked = Instant::now();
        let (status, answer) = api.get("customer").await;
        assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
        match status {
            200 => granted += 1,
            429 => assert_eq!(answer["error"]["details"], json!([{"limited_by": "customer"}])),
            other => panic!("{other}: {answer}"),
        }
    }
    granted
}

/// What readiness says of the cache; the node is ready all the while.
async fn cache_of(api: &Api) -> String {
    let (status, answer) = api.send("GET", "health/ready", Value::Null).await;
    assert_eq!((status, &answer["status"]), (200, &json!("ready")), "{answer}");
    answer["checks"]["cache"].as_str().unwrap().to_owned()
}

async fn is_back(api: &Api) {
    let since = Instant::now();
    while cache_of(api).await != "ok" {
        assert!(since.elapsed() < PATIENCE, "the cache is not used again");
        sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_rates_of_one_redis() {
    let Some(redis) = Redis::start().await else { return };
    let pair = Pair::start(&redis, Duration::from_secs(1)).await;
    let [near, far] = &pair.by;
    for api in &pair.by {
        assert_eq!(cache_of(api).await, "ok");
    }
    assert_eq!(granted(near, BURST / 2).await + granted(far, BURST).await, BURST);
    assert_eq!(granted(near, 3).await, 0, "what the other node granted counts here");
    redis.ask("FLUSHALL").unwrap();
    assert_eq!(
        granted(far, BURST).await + granted(near, 3).await,
        BURST,
        "a rate begins anew, and is shared"
    );
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_node_applies_the_rate_by_itself() {
    let Some(mut redis) = Redis::start().await else { return };
    let pair = Pair::start(&redis, Duration::from_secs(1)).await;
    let [near, far] = &pair.by;
    assert_eq!(granted(near, BURST).await, BURST);
    assert_eq!(granted(far, 1).await, 0);
    redis.kill();
    for api in &pair.by {
        assert_eq!(granted(api, BURST + 3).await, BURST);
        assert!(cache_of(api).await.contains("the cache cannot be used"));
    }
    redis.restart().await;
    is_back(near).await;
    is_back(far).await;
    // a node asks again after a second; then both count in Redis, which knows nothing yet
    let since = Instant::now();
    let mut all = 0;
    while all < BURST {
        all += granted(near, 1).await + granted(far, 1).await;
        assert!(since.elapsed() < PATIENCE, "only {all} granted");
        sleep(LOOK).await;
    }
    assert_eq!(granted(near, 3).await + granted(far, 3).await, 0);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_delays_few_requests_and_not_for_long() {
    let Some(redis) = Redis::start().await else { return };
    let url = redis.url();
    let platform = Platform::with(|plan| {
        plan.cache = url;
        plan.gateway.limits.customer = gateway::Rate::new(1000.0, 1000);
        plan.gateway.limits.patience = Duration::from_millis(300);
    })
    .await;
    assert_eq!(granted(platform.api(), 20).await, 20);
    redis.hang();
    // if each waited for its count, these would take half a minute
    let since = Instant::now();
    assert_eq!(granted(platform.api(), 100).await, 100);
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    assert_ne!(cache_of(platform.api()).await, "ok");
    redis.go_on();
    is_back(platform.api()).await;
    assert_eq!(granted(platform.api(), 20).await, 20);
    platform.stop().await;
}
