//! Requests with an `Idempotency-Key`, when they end otherwise than well.

use std::sync::atomic::Ordering;

use http::HeaderValue;
use protocol::{Error, Status};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use crate::client::Answer;
use crate::world::World;

const SOON: Duration = Duration::from_secs(10);

impl World {
    async fn hangup(&self, key: &str) -> Answer {
        self.send(self.keyed(key)).await
    }

    fn keyed(&self, key: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
        let mut request = self.request(&format!("POST /v1.0/calls/{}/hangup", self.call), &self.key, "{}");
        request.headers_mut().insert("idempotency-key", HeaderValue::from_str(key).unwrap());
        request
    }

    fn hangups(&self) -> usize {
        self.heard().iter().filter(|word| word.contains("call") && word.contains("hangup")).count()
    }
}

#[tokio::test]
async fn what_a_client_that_went_away_has_begun_is_finished_and_answered_to_the_next() {
    let world = World::new().await;
    world.domain.holds_hangup.store(true, Ordering::SeqCst);
    let request = world.keyed("a");
    let mut gone = JoinSet::new();
    gone.spawn(async move {
        let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
        client.build_http().request(request).await.map(drop)
    });
    timeout(SOON, world.domain.arrived.notified()).await.expect("it has begun");
    gone.shutdown().await;
    let busy = world.hangup("a").await;
    assert_eq!(busy.header("retry-after"), "1");
    busy.refused(409, "IDEMPOTENCY_KEY_IN_PROGRESS");
    world.domain.go_on.notify_one();
    let answer = timeout(SOON, async {
        loop {
            let answer = world.hangup("a").await;
            if answer.code == 200 {
                return answer;
            }
        }
    });
    let answer = answer.await.expect("an answer");
    assert_eq!(answer.header("idempotency-replayed"), "true");
    assert_eq!((&answer.json()["status"], world.hangups()), (&json!("terminating"), 1));
    world.end().await;
}

#[tokio::test]
async fn a_request_that_was_not_begun_may_be_sent_again_under_its_key() {
    let world = World::new().await;
    for (refusal, code) in [
        (Error::unbegun("full"), 503),
        (Error::new(Status::ResourceExhausted, "LIMIT", "too many"), 429),
        (Error::new(Status::PermissionDenied, "STATE_INVALID", "not now"), 403),
    ] {
        world.domain.refusals.lock().unwrap().push(refusal);
        world.hangup("a").await.expect(code);
        assert_eq!(world.domain.keys.len(), 0);
    }
    world.hangup("a").await.expect(200);
    assert_eq!((world.hangups(), world.domain.keys.len()), (4, 1));
    world.end().await;
}

#[tokio::test]
async fn a_request_that_was_perhaps_done_is_not_done_again() {
    let world = World::new().await;
    let refusals = [Error::timeout(), Error::unavailable("lost"), Error::internal("a bug")];
    for (key, refusal) in ["a", "b", "c"].into_iter().zip(refusals) {
        let code = refusal.status.http();
        world.domain.refusals.lock().unwrap().push(refusal);
        world.hangup(key).await.expect(code);
        for _ in 0..2 {
            world.hangup(key).await.refused(409, "IDEMPOTENCY_OUTCOME_UNKNOWN");
        }
    }
    assert_eq!(world.hangups(), 3);
    world.end().await;
}

#[tokio::test]
async fn only_a_post_has_use_for_a_key() {
    let world = World::new().await;
    let mut request = world.request("GET /v1.0/calls", &world.key, "");
    request.headers_mut().insert("idempotency-key", HeaderValue::from_static("a"));
    world.send(request).await.expect(200);
    let mut request =
        world.request(&format!("PUT /v1.0/flows/{}", world.flow), &world.key, r#"{"name": "x"}"#);
    request.headers_mut().insert("idempotency-key", HeaderValue::from_static("two words"));
    world.send(request).await.expect(200);
    assert_eq!(world.domain.keys.len(), 0);
    world.end().await;
}

#[tokio::test]
async fn the_document_tells_of_the_key_where_it_counts() {
    let world = World::new().await;
    let document = world.get("/openapi.json").await.json();
    let has = |path: &str, method: &str| {
        document["paths"][path][method]["parameters"].to_string().contains("Idempotency-Key")
    };
    assert!(has("/v1.0/calls", "post") && has("/v1.0/calls/{id}/hangup", "post"));
    assert!(!has("/v1.0/calls", "get") && !has("/auth/login", "post"));
    world.end().await;
}
