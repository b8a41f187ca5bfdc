//! What a broken or hostile host sends to a node's SIP port: the next caller notices nothing of it.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::desk::Desk;
use super::{all_over, call, realm};
use crate::platform::{HERE, PATIENCE, Platform};

/// The same noise every time.
const SEED: u64 = 5060;
const NOISES: usize = 2_000;
/// The largest datagram that UDP over IPv4 carries.
const LARGEST: usize = 65_507;

struct Stranger {
    socket: UdpSocket,
    realm: String,
}

impl Stranger {
    async fn new(platform: &Platform) -> Stranger {
        let socket = UdpSocket::bind((HERE, 0)).await.expect("a socket");
        socket.connect(platform.node.voice.local().udp).await.expect("the node is there");
        Stranger { socket, realm: realm(platform) }
    }

    async fn sends(&self, message: &[u8]) {
        self.socket.send(message).await.expect("it is sent");
    }

    fn request(&self, method: &str, call: &str) -> String {
        let (own, realm) = (self.socket.local_addr().expect("it is bound"), &self.realm);
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n",
            own.ip()
        );
        let (kind, body) =
            if method == "INVITE" { ("application/sdp", sdp.as_str()) } else { ("text/plain", "") };
        format!(
            "{method} sip:200@{realm} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK{call}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:100@{realm}>;tag={call}\r\nTo: <sip:200@{realm}>\r\n\
             Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:100@{own}>\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// The final response to a request of this Call-ID; everything else that comes is passed over.
    async fn verdict(&self, call: &str) -> String {
        let wanted = format!("Call-ID: {call}\r\n");
        let search = async {
            let mut buffer = vec![0; LARGEST];
            loop {
                let length = self.socket.recv(&mut buffer).await.expect("the node is there");
                let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if answer.contains(&wanted) && !answer.starts_with("SIP/2.0 1") {
                    return answer;
                }
            }
        };
        timeout(PATIENCE, search).await.expect("an answer in time")
    }

    async fn sends_noise(&self, random: &mut StdRng) {
        let whole = self.request("INVITE", "mutilated").into_bytes();
        for _ in 0..NOISES {
            let mut message = whole.clone();
            for _ in 0..random.random_range(1..20) {
                let place = random.random_range(0..message.len());
                message[place] = random.random();
            }
            self.sends(&message).await;
            let noise: Vec<u8> = (0..random.random_range(1..1_400)).map(|_| random.random()).collect();
            self.sends(&noise).await;
        }
    }

    async fn sends_pieces(&self) {
        let whole = self.request("INVITE", "cut");
        for end in (0..whole.len()).step_by(3) {
            self.sends(&whole.as_bytes()[..end]).await;
        }
        for name in ["Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "Content-Length"] {
            let whole = self.request("INVITE", &format!("without-{name}"));
            let lines = whole.split_inclusive("\r\n").filter(|line| !line.starts_with(&format!("{name}:")));
            self.sends(lines.collect::<String>().as_bytes()).await;
        }
    }

    async fn sends_too_much(&self) {
        self.sends(&vec![b'x'; LARGEST]).await;
        let whole = self.request("INVITE", "large");
        let long = whole.replace("Max-Forwards", &format!("X-Long: {}\r\nMax-Forwards", "x".repeat(60_000)));
        self.sends(long.as_bytes()).await;
        let many = whole.replace("Max-Forwards", &format!("{}Max-Forwards", "X: y\r\n".repeat(10_000)));
        self.sends(many.as_bytes()).await;
        let lies = whole.replace("Content-Length: ", "Content-Length: 9999999999");
        self.sends(lies.as_bytes()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_at_the_sip_port_disturbs_nobody() {
    let platform = Platform::start().await;
    let desk = Desk::registered(&platform, "200").await;
    let stranger = Stranger::new(&platform).await;
    stranger.sends_pieces().await;
    stranger.sends_too_much().await;
    stranger.sends_noise(&mut StdRng::seed_from_u64(SEED)).await;
    stranger.sends(stranger.request("OPTIONS", "alive").as_bytes()).await;
    let answer = stranger.verdict("alive").await;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    stranger.sends(stranger.request("INVITE", "whole").as_bytes()).await;
    let answer = stranger.verdict("whole").await;
    assert!(answer.starts_with("SIP/2.0 407"), "{answer}");
    assert_eq!(platform.get("calls").await.1["result"], json!([]));
    let actions = json!([{"type": "beep"}, {"type": "hangup"}]);
    let (status, placed) = call(&platform, ("extension", "200"), actions).await;
    assert_eq!(status, 200, "{placed}");
    let leg = desk.answers().await;
    desk.hears(leg, 1_000).await;
    desk.is_hung_up(leg).await;
    all_over(&platform, 1).await;
    desk.stop().await;
    platform.stop().await;
}
