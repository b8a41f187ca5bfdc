//! A caller over HTTP/1.1.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::world::World;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a text"))
    }

    /// The status, the reason.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let reason = self.json()["error"]["reason"].as_str().unwrap_or_default().to_owned();
        (self.code.as_u16(), reason)
    }

    #[track_caller]
    pub(crate) fn expect(self, code: u16) -> Self {
        assert_eq!(self.code.as_u16(), code, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn refused(self, code: u16, reason: &str) -> Self {
        assert_eq!(self.refusal(), (code, reason.to_owned()), "{self:?}");
        self
    }
}

impl World {
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (head, body) = client.request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { code: head.status, headers: head.headers, body }
    }

    /// `line` is `GET /path`; `credential` goes into the Authorization header unless it is empty.
    pub(crate) async fn call_with(&self, line: &str, credential: &str, body: &str) -> Answer {
        self.send(self.request(line, credential, body)).await
    }

    pub(crate) fn request(&self, line: &str, credential: &str, body: &str) -> Request<Full<Bytes>> {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let mut builder = Request::builder().method(method).uri(format!("http://{}{path}", self.address()));
        builder = builder.header("x-request-id", "same");
        if !credential.is_empty() {
            builder = builder.header("authorization", format!("Bearer {credential}"));
        }
        builder.body(Full::new(body.to_owned().into())).expect("a request")
    }

    /// As the admin key of our customer.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call_with(&format!("GET {path}"), &self.key, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call_with(&format!("POST {path}"), &self.key, &body.to_string()).await
    }
}
