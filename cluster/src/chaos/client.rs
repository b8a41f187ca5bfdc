//! A client of the HTTP API that bears with it: what has no answer is asked again, under one key.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol::{Error, Result};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep, timeout};

/// Longer than a node takes for anything: 30 s and its way back.
const ANSWER: Duration = Duration::from_secs(35);
/// Whoever is at work on a write longer than this is left to it.
const AT_WORK: Duration = Duration::from_secs(3);
/// Larger than any page.
const MOST: usize = 4 << 20;
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// One node's API as one caller.
#[derive(Clone)]
pub(super) struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    at: SocketAddr,
    key: Arc<Mutex<String>>,
}

/// How a write that was sent until it was answered ended.
pub(super) enum Written {
    /// Acknowledged.
    Row(Value),
    /// The platform says that it is at work, or that nobody knows: nothing was promised.
    Unknown,
}

impl Client {
    pub(super) fn new(at: SocketAddr, key: &str) -> Client {
        // no pool: a connection to a node that was killed must not be found again
        let http = Http::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Client { http, at, key: Arc::new(Mutex::new(key.to_owned())) }
    }

    /// `None`: no whole answer came.
    pub(super) async fn ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        self.send(method, path, body, None).await
    }

    pub(super) async fn get(&self, path: &str) -> Option<(u16, Value)> {
        self.ask("GET", &format!("v1.0/{path}"), &Value::Null).await
    }

    async fn send(&self, method: &str, path: &str, body: &Value, once: Option<&str>) -> Option<(u16, Value)> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("http://{}/{path}", self.at))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json");
        if let Some(once) = once {
            request = request.header("idempotency-key", once);
        }
        let request = request.body(Full::from(text)).ok()?;
        let answered = timeout(ANSWER, async {
            let response = self.http.request(request).await.ok()?;
            let status = response.status().as_u16();
            let bytes = Limited::new(response.into_body(), MOST).collect().await.ok()?.to_bytes();
            Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
        });
        answered.await.ok().flatten()
    }

    /// What is at a path, asked for until it is told.
    pub(super) async fn read(&self, path: &str, within: Duration) -> Result<Value> {
        let limit = Instant::now() + within;
        loop {
            let last = self.get(path).await;
            match last {
                Some((200, answer)) => return Ok(answer),
                last if Instant::now() > limit => {
                    return Err(Error::unavailable(format!("{path} was answered {last:?}")));
                }
                Some(_) | None => sleep(LOOK).await,
            }
        }
    }

    /// All rows of a collection, page by page.
    pub(super) async fn all(&self, path: &str, within: Duration) -> Result<Vec<Value>> {
        let (mut rows, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.read(&format!("{path}?page_size=100&page_token={token}"), within).await?;
            let more = page.get("result").and_then(Value::as_array).cloned().unwrap_or_default();
            let full = more.len() == 100;
            rows.extend(more);
            token = page.get("next_page_token").and_then(Value::as_str).unwrap_or_default().to_owned();
            if token.is_empty() || !full {
                return Ok(rows);
            }
        }
    }
}

/// Sends a write to one node after the other, under one key, until it is answered.
pub(super) async fn write(nodes: &[Client], first: usize, (path, body): (&str, &Value)) -> Result<Written> {
    let key = uuid::Uuid::now_v7().to_string();
    let (limit, at_work) = (Instant::now() + 2 * ANSWER, Instant::now() + AT_WORK);
    let path = format!("v1.0/{path}");
    for node in (0..).map(|turn| &nodes[(first + turn) % nodes.len()]) {
        let answer = node.send("POST", &path, body, Some(&key)).await;
        let reason = answer.as_ref().map(|(_, answer)| answer.pointer("/error/reason").cloned());
        let reason =
            reason.flatten().and_then(|reason| reason.as_str().map(str::to_owned)).unwrap_or_default();
        match answer {
            Some((200..300, row)) => return Ok(Written::Row(row)),
            Some((409, _)) if reason == "IDEMPOTENCY_OUTCOME_UNKNOWN" => return Ok(Written::Unknown),
            // who was killed at work is taken for being at work for two minutes
            Some((409, _)) if reason == "IDEMPOTENCY_KEY_IN_PROGRESS" && Instant::now() > at_work => {
                return Ok(Written::Unknown);
            }
            Some((409, _)) if reason == "IDEMPOTENCY_KEY_IN_PROGRESS" => {}
            Some((400..500, answer)) => {
                return Err(Error::internal(format!("POST {path} was refused: {answer}")));
            }
            Some(_) | None if Instant::now() > limit => {
                return Err(Error::unavailable(format!("POST {path} was never answered: {answer:?}")));
            }
            Some(_) | None => {}
        }
        sleep(LOOK).await;
    }
    Ok(Written::Unknown)
}

/// A text of a row; empty when there is none.
pub(super) fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}
