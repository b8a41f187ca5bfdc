//! A client of `/v1.0/ws`.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Empty;
use hyper::Request;
use hyper::upgrade::Upgraded;
use hyper_tungstenite::WebSocketStream;
use hyper_tungstenite::tungstenite::Message;
use hyper_tungstenite::tungstenite::protocol::Role;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::api::PATIENCE;

/// Its pong says that everything before it was read.
const READ: &[u8] = b"read?";

pub(crate) struct Socket {
    frames: WebSocketStream<TokioIo<Upgraded>>,
    _driver: JoinSet<()>,
}

impl Socket {
    /// Opens it with an access key.
    pub(crate) async fn open(at: SocketAddr, key: &str) -> Socket {
        let stream = TcpStream::connect(at).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.with_upgrades().await) });
        let request = Request::get(format!("/v1.0/ws?accesskey={key}"))
            .header("host", "localhost")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 101);
        let io = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
        Socket { frames: WebSocketStream::from_raw_socket(io, Role::Client, None).await, _driver: driver }
    }

    /// Subscribes; returns when the subscription holds.
    pub(crate) async fn subscribe(&mut self, topic: &str) {
        let order = json!({"type": "subscribe", "topics": [topic]}).to_string();
        self.frames.send(Message::Text(order.into())).await.unwrap();
        self.frames.send(Message::Ping(Bytes::from_static(READ))).await.unwrap();
        while self.message().await != Message::Pong(Bytes::from_static(READ)) {}
    }

    /// The next row that is told.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.message().await {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    async fn message(&mut self) -> Message {
        timeout(PATIENCE, self.frames.next()).await.expect("in time").expect("it is open").expect("a message")
    }
}
