//! A client of the HTTP API with one key. It belongs to no node: one that was killed and started again on the
//! same address is asked with the same client.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Nothing here takes longer unless it never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// A status and a body.
pub(crate) type Answer = (u16, Value);

/// An answer with its head and to the byte.
pub(crate) type Whole = http::Response<Bytes>;

#[derive(Clone)]
pub(crate) struct Api {
    at: SocketAddr,
    key: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Api {
    /// With an access key, a token, or (empty) nothing.
    pub(crate) fn new(at: SocketAddr, key: &str) -> Api {
        // no pool: a connection to a node that is gone must not be found again
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Api { at, key: key.to_owned(), client }
    }

    pub(crate) fn with_key(&self, key: &str) -> Api {
        Api { key: key.to_owned(), ..self.clone() }
    }

    /// The same client before a node that was started again elsewhere.
    pub(crate) fn at(&self, at: SocketAddr) -> Api {
        Api { at, ..self.clone() }
    }

    /// This node, as the one who asked another.
    pub(crate) fn as_key_of(&self, other: &Api) -> Api {
        self.with_key(&other.key)
    }

    /// `None`: nobody answers there.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> Option<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = http::Request::builder().method(method).uri(format!("http://{}/{path}", self.at));
        if !self.key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        let request = request.header("x-request-id", "test").body(Full::from(body)).unwrap();
        let response = self.client.request(request).await.ok()?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// A POST under an `Idempotency-Key`, its body as it is; the whole answer. `None`: none came.
    pub(crate) async fn try_once(&self, key: &str, path: &str, body: &str) -> Option<Whole> {
        let uri = format!("http://{}/v1.0/{path}", self.at);
        let request = http::Request::post(uri)
            .header("authorization", format!("Bearer {}", self.key))
            .header("idempotency-key", key)
            .body(Full::from(body.to_owned()))
            .unwrap();
        let (head, body) = self.client.request(request).await.ok()?.into_parts();
        Some(Whole::from_parts(head, body.collect().await.ok()?.to_bytes()))
    }

    pub(crate) async fn once(&self, key: &str, path: &str, body: &str) -> Whole {
        self.try_once(key, path, body).await.unwrap_or_else(|| panic!("{path}: nobody answers"))
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask(method, path, body).await.unwrap_or_else(|| panic!("{method} {path}: nobody answers"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", &format!("v1.0/{path}"), Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", &format!("v1.0/{path}"), body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", &format!("v1.0/{path}"), body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", &format!("v1.0/{path}"), Value::Null).await
    }

    /// Asks again until the answer has this status.
    pub(crate) async fn answers(&self, method: &str, path: &str, status: u16) {
        let limit = Instant::now() + PATIENCE;
        let path = format!("v1.0/{path}");
        loop {
            let (got, answer) = self.send(method, &path, Value::Null).await;
            if got == status {
                return;
            }
            assert!(Instant::now() < limit, "{method} {path}: {got} {answer}");
            sleep(LOOK).await;
        }
    }

    /// A creation that must succeed; the row.
    pub(crate) async fn row(&self, path: &str, body: Value) -> Value {
        let (status, row) = self.post(path, body).await;
        assert!(status < 300, "{path}: {status} {row}");
        row
    }

    /// A creation that must succeed; the row's id.
    pub(crate) async fn made(&self, path: &str, body: Value) -> String {
        let row = self.row(path, body).await;
        row["id"].as_str().unwrap_or_else(|| panic!("no id in {row}")).to_owned()
    }

    /// The rows of a collection.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let (status, page) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {page}");
        page["result"].as_array().unwrap_or_else(|| panic!("no list in {page}")).clone()
    }

    /// As a user who logs in. `None`: nobody answers, or the credentials are wrong.
    pub(crate) async fn try_login(&self, username: &str, password: &str) -> Option<Api> {
        let body = json!({"username": username, "password": password});
        let (_, answer) = self.with_key("").ask("POST", "auth/login", body).await?;
        answer["token"].as_str().map(|token| self.with_key(token))
    }

    /// Asks again until the answer is as it shall be.
    pub(crate) async fn becomes(&self, path: &str, shall: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + PATIENCE;
        loop {
            let (status, answer) = self.get(path).await;
            if status == 200 && shall(&answer) {
                return answer;
            }
            assert!(Instant::now() < limit, "{path}: {status} {answer}");
            sleep(LOOK).await;
        }
    }
}
