//! A peer that says exactly what a test wants: a bare socket with messages written out.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::support::{SOON, loopback};

pub(crate) struct Peer {
    socket: UdpSocket,
    pub(crate) to: SocketAddr,
}

impl Peer {
    pub(crate) async fn new(to: SocketAddr) -> Peer {
        Peer { socket: UdpSocket::bind(loopback(0)).await.unwrap(), to }
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    pub(crate) async fn send(&self, bytes: &[u8]) {
        self.send_to(bytes, self.to).await;
    }

    pub(crate) async fn send_to(&self, bytes: &[u8], to: SocketAddr) {
        self.socket.send_to(bytes, to).await.unwrap();
    }

    /// The next message, as text.
    pub(crate) async fn hear(&self) -> String {
        tokio::time::timeout(SOON, self.receive()).await.expect("a message in time")
    }

    /// The next message, if one comes before `limit`.
    pub(crate) async fn hear_within(&self, limit: Duration) -> Option<String> {
        tokio::time::timeout(limit, self.receive()).await.ok()
    }

    async fn receive(&self) -> String {
        let mut buffer = vec![0; 65_536];
        let (length, _) = self.socket.recv_from(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// The next final response.
    pub(crate) async fn verdict(&self) -> String {
        loop {
            let message = self.hear().await;
            if !message.starts_with("SIP/2.0 1") {
                return message;
            }
        }
    }

    /// A request with everything that it needs. `lines` end with CRLF each.
    pub(crate) fn request(&self, method: &str, call: &str, lines: &str, body: &str) -> String {
        let (to, port) = (self.to, self.port());
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{call}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@127.0.0.1:{port}>;tag=a{call}\r\nTo: <sip:bob@{to}>\r\n\
             Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:alice@127.0.0.1:{port}>\r\n{lines}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub(crate) fn invite(&self, call: &str) -> String {
        self.request("INVITE", call, "", &sdp(1, "sendrecv"))
    }

    /// A request inside the dialog that `answer` belongs to.
    pub(crate) fn inside(&self, method: &str, answer: &str, cseq: u32, body: &str) -> String {
        let (to, port) = (self.to, self.port());
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let (from, ours) = (header(answer, "From"), header(answer, "To"));
        format!(
            "{method} sip:bob@{to} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{cseq}{method}{port}\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {ours}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:alice@127.0.0.1:{port}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            header(answer, "Call-ID"),
            body.len()
        )
    }

    /// A response to a request of the engine.
    pub(crate) fn respond(&self, request: &str, status: &str, tag: &str, body: &str) -> String {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag={tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:bob@127.0.0.1:{}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            header(request, "Via"),
            header(request, "From"),
            header(request, "To"),
            header(request, "Call-ID"),
            header(request, "CSeq"),
            self.port(),
            body.len()
        )
    }
}

/// The media goes where nobody listens.
pub(crate) fn sdp(version: u32, flow: &str) -> String {
    format!(
        "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 9 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na={flow}\r\n"
    )
}

pub(crate) fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let is = |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
    message
        .lines()
        .find(is)
        .and_then(|line| line.split_once(": "))
        .map(|(_, value)| value)
        .unwrap_or_default()
}
