//! The demo as a client of the HTTP API: what it does, anybody can do.

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol::{Error, Result};
use serde_json::Value;
use std::net::SocketAddr;

/// Larger than any answer of the demo.
const MOST: usize = 4 << 20;

pub(crate) struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    key: String,
}

impl Api {
    pub(crate) fn new(gateway: SocketAddr, key: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Api { client, base: format!("http://{gateway}/v1.0"), key: key.to_owned() }
    }

    /// The same API as another user.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Api { client: self.client.clone(), base: self.base.clone(), key: key.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Result<Value> {
        self.send(Method::PUT, path, body).await
    }

    /// Any 2xx is a success; another answer is an error that names the request.
    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = http::Request::builder()
            .method(method.clone())
            .uri(format!("{}/{path}", self.base))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .body(Full::from(body))
            .map_err(Error::internal)?;
        let response = self.client.request(request).await.map_err(Error::internal)?;
        let status = response.status();
        let bytes =
            Limited::new(response.into_body(), MOST).collect().await.map_err(Error::internal)?.to_bytes();
        let answer =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or_default() };
        match status.is_success() {
            true => Ok(answer),
            false => Err(Error::invalid(format!("{method} {path} was answered {status}: {answer}"))),
        }
    }

    /// Logs in and answers the token.
    pub(crate) async fn login(&self, username: &str, password: &str) -> Result<String> {
        let root = Api { base: self.base.replace("/v1.0", ""), ..self.with_key("") };
        let body = serde_json::json!({"username": username, "password": password});
        let answer = root.post("auth/login", body).await?;
        let token = answer.get("token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| Error::internal("a login without a token"))
    }
}

/// A text of an answer that must be there.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str> {
    value.get(name).and_then(Value::as_str).ok_or_else(|| Error::internal(format!("no {name} in {value}")))
}
