//! A server that cannot serve, beside one that can, and alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use protocol::ports::Serve;
use protocol::{Error, Result, sock};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::peers::request;
use super::rabbit;
use crate::platform::PATIENCE;

const QUEUE: &str = "bin-manager.tag-manager.request";
/// A caller's own patience, far beyond what an answer may take.
const MINUTE: u64 = 60_000;

/// Answers with its name while it is well, and refuses while it is not.
struct Domain {
    name: &'static str,
    well: AtomicBool,
}

impl Domain {
    fn new(name: &'static str, well: bool) -> Arc<Self> {
        Arc::new(Domain { name, well: AtomicBool::new(well) })
    }
}

#[async_trait]
impl Serve for Domain {
    async fn ready(&self) {}

    fn is_well(&self) -> bool {
        self.well.load(Ordering::SeqCst)
    }

    async fn serve(&self, _: sock::Request) -> sock::Response {
        let answer: Result<Value> = match self.is_well() {
            true => Ok(json!({"by": self.name})),
            false => Err(Error::unbegun("the domain is restarting")),
        };
        answer.into()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_that_is_down_leaves_its_queue_to_one_that_is_up_and_refuses_when_alone() {
    let Some(pair) = rabbit().await else { return };
    let (near, far) = (Domain::new("near", false), Domain::new("far", true));
    let _near = pair.here.serve(QUEUE, near.clone()).await.unwrap();
    // as many answers in a row as two that take turns would never give
    let in_a_row = async |status: u16, by: &Value| {
        let (limit, mut row) = (Instant::now() + PATIENCE, 0);
        while row < 10 {
            let answer = pair.there.ask(QUEUE, request(MINUTE)).await;
            let same = answer.is_ok_and(|said| said.status_code == status && said.data["by"] == *by);
            row = if same { row + 1 } else { 0 };
            assert!(Instant::now() < limit, "never {status} by {by}");
            sleep(Duration::from_millis(5)).await;
        }
    };
    in_a_row(503, &Value::Null).await;
    let others = pair.there.serve(QUEUE, far.clone()).await.unwrap();
    in_a_row(200, &json!("far")).await;
    // both are down: somebody says so at once
    far.well.store(false, Ordering::SeqCst);
    in_a_row(503, &Value::Null).await;
    far.well.store(true, Ordering::SeqCst);
    in_a_row(200, &json!("far")).await;
    drop(others);
    in_a_row(503, &Value::Null).await;
    near.well.store(true, Ordering::SeqCst);
    in_a_row(200, &json!("near")).await;
}
