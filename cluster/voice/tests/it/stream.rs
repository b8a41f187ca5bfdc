//! A peer on streams, message by message: it listens where its Contact says, or nowhere.

use std::net::SocketAddr;
use std::ops::Deref;

use protocol::ports::voice::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::raw::{Words, header};
use crate::support::{SOON, Side, loopback};

pub(crate) struct StreamPeer {
    /// None: only who it has connected to reaches it.
    listener: Option<TcpListener>,
    stream: Option<TcpStream>,
    words: Words,
}

impl Deref for StreamPeer {
    type Target = Words;

    fn deref(&self) -> &Words {
        &self.words
    }
}

fn address(side: &Side) -> SocketAddr {
    side.engine.local().tcp.unwrap()
}

impl StreamPeer {
    /// Its Contact names a port that it listens on.
    pub(crate) async fn listening(side: &Side) -> StreamPeer {
        let listener = TcpListener::bind(loopback(0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let words = Words { to: address(side), port, transport: Transport::Tcp };
        StreamPeer { listener: Some(listener), stream: None, words }
    }

    /// Its Contact names the port that its connection comes from.
    pub(crate) async fn connected(side: &Side) -> StreamPeer {
        let stream = TcpStream::connect(address(side)).await.unwrap();
        let port = stream.local_addr().unwrap().port();
        let words = Words { to: address(side), port, transport: Transport::Tcp };
        StreamPeer { listener: None, stream: Some(stream), words }
    }

    /// Takes a new connection to this engine, instead of the one that it has.
    pub(crate) async fn connect(&mut self, side: &Side) {
        self.words.to = address(side);
        self.stream = Some(TcpStream::connect(self.words.to).await.unwrap());
    }

    pub(crate) async fn send(&mut self, message: &str) {
        self.stream.as_mut().unwrap().write_all(message.as_bytes()).await.unwrap();
    }

    /// The next message. When its connection ends it takes the next one.
    pub(crate) async fn hear(&mut self) -> String {
        tokio::time::timeout(SOON, self.receive()).await.expect("a message in time")
    }

    async fn receive(&mut self) -> String {
        loop {
            if self.stream.is_none() {
                let listener = self.listener.as_ref().expect("somewhere to be reached");
                self.stream = Some(listener.accept().await.unwrap().0);
            }
            match message(self.stream.as_mut().unwrap()).await {
                Some(message) => return message,
                None => self.stream = None,
            }
        }
    }

    /// The next message that begins so; anything but `passing` before it fails.
    pub(crate) async fn expect(&mut self, start: &str, passing: &[&str]) -> String {
        loop {
            let message = self.hear().await;
            if message.starts_with(start) {
                return message;
            }
            assert!(passing.iter().any(|start| message.starts_with(start)), "{message}");
        }
    }
}

/// One message, byte by byte to its end; `None` when the stream ends. Empty lines keep a stream alive.
async fn message(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        if head == b"\r\n" {
            head.clear();
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut body = vec![0; header(&head, "Content-Length").parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + std::str::from_utf8(&body).unwrap())
}
