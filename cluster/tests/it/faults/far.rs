//! A telephone of the simplest kind: it answers whatever comes, and writes down from where each packet came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::platform::{HERE, free_port};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Sip,
    Rtp,
}

pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) what: What,
    pub(super) from: SocketAddr,
}

type Log = Arc<Mutex<Vec<Seen>>>;

pub(super) struct Far {
    pub(super) sip: SocketAddr,
    log: Log,
    _tasks: JoinSet<()>,
}

impl Far {
    pub(super) async fn answers() -> Far {
        let [sip, rtp] = [(); 2].map(|()| SocketAddr::new(HERE, free_port()));
        let (signals, media) = (UdpSocket::bind(sip).await.unwrap(), UdpSocket::bind(rtp).await.unwrap());
        let (log, mut tasks) = (Log::default(), JoinSet::new());
        tasks.spawn(signal(signals, rtp, log.clone()));
        tasks.spawn(listen(media, log.clone()));
        Far { sip, log, _tasks: tasks }
    }

    pub(super) fn seen<T>(&self, look: impl FnOnce(&[Seen]) -> T) -> T {
        look(&self.log.lock().unwrap())
    }
}

fn note(log: &Log, what: What, from: SocketAddr) {
    log.lock().unwrap().push(Seen { at: Instant::now(), what, from });
}

/// Says something every 20 ms to whoever spoke last, so that nobody takes it for gone.
async fn listen(socket: UdpSocket, log: Log) {
    let mut packet = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut packet).await {
        note(&log, What::Rtp, from);
        let _ = socket.send_to(&packet[..length], from).await;
    }
}

async fn signal(socket: UdpSocket, rtp: SocketAddr, log: Log) {
    let local = socket.local_addr().unwrap();
    let mut packet = [0; 65_536];
    while let Ok((length, from)) = socket.recv_from(&mut packet).await {
        let request = String::from_utf8_lossy(&packet[..length]).into_owned();
        if request.starts_with("SIP/2.0") {
            continue;
        }
        note(&log, What::Sip, from);
        if let Some(answer) = answer(&request, local, rtp) {
            socket.send_to(answer.as_bytes(), from).await.unwrap();
        }
    }
}

/// Headers of a request that its answer has, too (RFC 3261 8.2.6).
const COPIED: [&str; 6] = ["via:", "record-route:", "from:", "to:", "call-id:", "cseq:"];

/// 200 to everything but an ACK, which has no answer.
fn answer(request: &str, local: SocketAddr, rtp: SocketAddr) -> Option<String> {
    let method = request.split(' ').next()?;
    if method == "ACK" {
        return None;
    }
    let head = request.split("\r\n\r\n").next()?;
    let named = |line: &&str| COPIED.iter().any(|name| line.to_lowercase().starts_with(name));
    let copied = head.lines().filter(named);
    let mut lines = vec!["SIP/2.0 200 OK".to_owned()];
    lines.extend(copied.map(|line| {
        match line.to_lowercase().starts_with("to:") && !line.contains(";tag=") {
            true => format!("{line};tag=far"),
            false => line.to_owned(),
        }
    }));
    lines.push(format!("Contact: <sip:far@{local}>"));
    let body = match method {
        "INVITE" => format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
            ip = rtp.ip(),
            port = rtp.port()
        ),
        _ => String::new(),
    };
    if !body.is_empty() {
        lines.push("Content-Type: application/sdp".to_owned());
    }
    lines.push(format!("Content-Length: {}", body.len()));
    Some(format!("{}\r\n\r\n{body}", lines.join("\r\n")))
}
