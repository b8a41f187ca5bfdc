//! A client of one server over one kept connection: set-up, polling, and the load itself.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use protocol::{Error, Result};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

/// No request of a bench takes longer unless it is never answered.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Api {
    to: SocketAddr,
    key: String,
    sender: SendRequest<Full<Bytes>>,
    /// Drives the connection and ends with it.
    _connection: JoinSet<()>,
}

impl Api {
    pub async fn connect(to: SocketAddr, key: &str) -> Result<Api> {
        let stream = TcpStream::connect(to).await.map_err(Error::internal)?;
        stream.set_nodelay(true).map_err(Error::internal)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Error::internal)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(connection.await) });
        Ok(Api { to, key: key.to_owned(), sender, _connection: tasks })
    }

    /// Any answer, with its headers.
    pub async fn ask(&mut self, method: &str, path: &str, body: &Value) -> Result<http::Response<Bytes>> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut request =
            http::Request::builder().method(method).uri(path).header("host", self.to.to_string());
        if !self.key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        let request =
            request.header("x-request-id", "bench").body(Full::from(body)).map_err(Error::internal)?;
        let exchange = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>(http::Response::from_parts(head, body.collect().await?.to_bytes()))
        };
        timeout(PATIENCE, exchange).await.map_err(|_| Error::timeout())?.map_err(Error::internal)
    }

    /// A 2xx answer; another one is an error that names the request.
    pub async fn send(&mut self, method: &str, path: &str, body: Value) -> Result<Value> {
        let answer = self.ask(method, path, &body).await?;
        if !answer.status().is_success() {
            let text = String::from_utf8_lossy(answer.body()).into_owned();
            return Err(Error::invalid(format!("{method} {path} was answered {}: {text}", answer.status())));
        }
        Ok(serde_json::from_slice(answer.body()).unwrap_or_default())
    }
}

/// A text of an answer that must be there.
pub fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str> {
    value.get(name).and_then(Value::as_str).ok_or_else(|| Error::internal(format!("no {name} in {value}")))
}
