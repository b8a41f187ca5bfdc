//! A peer that says exactly what a test wants: a bare socket with messages written out.

use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use protocol::ports::voice::Transport;
use tokio::net::UdpSocket;

use crate::support::{SOON, Side, loopback};

/// What a peer writes, whatever carries it.
pub(crate) struct Words {
    pub(crate) to: SocketAddr,
    /// What its Contact names.
    pub(crate) port: u16,
    pub(crate) transport: Transport,
}

impl Words {
    fn contact(&self) -> String {
        let port = self.port;
        match self.transport {
            Transport::Udp => format!("<sip:alice@127.0.0.1:{port}>"),
            Transport::Tcp => format!("<sip:alice@127.0.0.1:{port};transport=tcp>"),
        }
    }

    fn via(&self, branch: &str) -> String {
        let transport = match self.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        };
        format!("SIP/2.0/{transport} 127.0.0.1:{};rport;branch=z9hG4bK{branch}", self.port)
    }

    /// A request with everything that it needs. `lines` end with CRLF each.
    pub(crate) fn request(&self, method: &str, call: &str, lines: &str, body: &str) -> String {
        let (to, port, via) = (self.to, self.port, self.via(&format!("{call}{method}")));
        format!(
            "{method} sip:bob@{to} SIP/2.0\r\nVia: {via}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@127.0.0.1:{port}>;tag=a{call}\r\nTo: <sip:bob@{to}>\r\n\
             Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: {}\r\n{lines}{}",
            self.contact(),
            content(body)
        )
    }

    pub(crate) fn invite(&self, call: &str) -> String {
        self.request("INVITE", call, "", &sdp(1, "sendrecv"))
    }

    /// A request inside the dialog that `answer` belongs to.
    pub(crate) fn inside(&self, method: &str, answer: &str, cseq: u32, body: &str) -> String {
        let (to, via) = (self.to, self.via(&format!("{cseq}{method}{}", self.port)));
        let (from, ours) = (header(answer, "From"), header(answer, "To"));
        format!(
            "{method} sip:bob@{to} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {ours}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
             Contact: {}\r\n{}",
            header(answer, "Call-ID"),
            self.contact(),
            content(body)
        )
    }

    /// A response to a request of the engine.
    pub(crate) fn respond(&self, request: &str, status: &str, tag: &str, body: &str) -> String {
        self.agree(request, status, body).replacen("\r\nCall-ID", &format!(";tag={tag}\r\nCall-ID"), 1)
    }

    /// A response to a request of the engine inside a dialog: it has our tag already.
    pub(crate) fn agree(&self, request: &str, status: &str, body: &str) -> String {
        format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: {}\r\n{}",
            header(request, "Via"),
            header(request, "From"),
            header(request, "To"),
            header(request, "Call-ID"),
            header(request, "CSeq"),
            self.contact(),
            content(body)
        )
    }
}

/// The end of a message.
fn content(body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

pub(crate) struct Peer {
    socket: UdpSocket,
    words: Words,
}

impl Deref for Peer {
    type Target = Words;

    fn deref(&self) -> &Words {
        &self.words
    }
}

impl Peer {
    pub(crate) async fn new(to: SocketAddr) -> Peer {
        let socket = UdpSocket::bind(loopback(0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        Peer { socket, words: Words { to, port, transport: Transport::Udp } }
    }

    /// Sends to another engine from now on, as its Contact asks for.
    pub(crate) fn follow(&mut self, side: &Side) {
        self.words.to = side.address();
    }

    pub(crate) fn port(&self) -> u16 {
        self.words.port
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

    /// All that was sent to it until now: what it sends to itself arrives behind that.
    pub(crate) async fn so_far(&self) -> Vec<String> {
        const MARK: &str = "no more";
        self.send_to(MARK.as_bytes(), loopback(self.port())).await;
        let mut heard = Vec::new();
        loop {
            match self.hear().await {
                mark if mark == MARK => return heard,
                message => heard.push(message),
            }
        }
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

    /// The next message that begins so; anything but `passing` before it fails.
    pub(crate) async fn expect(&self, start: &str, passing: &[&str]) -> String {
        loop {
            let message = self.hear().await;
            if message.starts_with(start) {
                return message;
            }
            assert!(passing.iter().any(|start| message.starts_with(start)), "{message}");
        }
    }

    /// The next message that begins so, whatever comes before it.
    pub(crate) async fn skip_to(&self, start: &str) -> String {
        self.expect(start, &[""]).await
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

/// The dialog of a message as the other side names it.
pub(crate) fn turned(message: &str) -> String {
    let value = |name: &str| header(message, name);
    format!("From: {}\r\nTo: {}\r\nCall-ID: {}\r\n", value("To"), value("From"), value("Call-ID"))
}

/// The number of its CSeq.
pub(crate) fn number(message: &str) -> u32 {
    header(message, "CSeq").split(' ').next().and_then(|number| number.parse().ok()).unwrap()
}

/// The version of its session description.
pub(crate) fn version(message: &str) -> u64 {
    let origin = message.lines().find_map(|line| line.strip_prefix("o=")).unwrap();
    origin.split(' ').nth(2).and_then(|version| version.parse().ok()).unwrap()
}

/// Where a message wants the media.
pub(crate) fn media_port(message: &str) -> u16 {
    let line = message.split("m=audio ").nth(1).unwrap();
    line.split(' ').next().and_then(|port| port.parse().ok()).unwrap()
}

/// Whether its Contact leads to this engine.
pub(crate) fn names(message: &str, side: &Side) -> bool {
    header(message, "Contact").contains(&side.address().to_string())
}
