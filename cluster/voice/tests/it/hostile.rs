//! What a broken or hostile peer sends. Nothing of it stops the next request from being answered.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::raw::{Peer, header};
use crate::support::{SOON, Side};

/// Long enough for an answer on loopback, short enough to wait for none.
const SILENCE: Duration = Duration::from_millis(150);

async fn still_answers(side: &Side) {
    let peer = Peer::new(side.address()).await;
    peer.send(peer.request("OPTIONS", "alive", "", "").as_bytes()).await;
    let answer = peer.verdict().await;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert!(header(&answer, "Allow").contains("INVITE"));
}

/// What came back was a refusal, or nothing did.
async fn refused_or_silent(peer: &Peer, message: &str) {
    peer.send(message.as_bytes()).await;
    if let Some(answer) = peer.hear_within(SILENCE).await {
        assert!(answer.starts_with("SIP/2.0 4") || answer.starts_with("SIP/2.0 5"), "{message}\n{answer}");
    }
}

#[tokio::test]
async fn a_request_without_a_needed_header_is_refused() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    for name in ["Via", "From", "To", "Call-ID", "CSeq", "Contact"] {
        let whole = peer.invite(&format!("without{name}"));
        let lines = whole.split_inclusive("\r\n").filter(|line| !line.starts_with(&format!("{name}:")));
        peer.send(lines.collect::<String>().as_bytes()).await;
        if name == "Via" {
            assert_eq!(peer.hear_within(SILENCE).await, None);
        } else {
            let answer = peer.verdict().await;
            assert!(answer.starts_with("SIP/2.0 400"), "{name}: {answer}");
        }
    }
    assert!(!side.has_call());
    still_answers(&side).await;
    side.stop().await;
}

#[tokio::test]
async fn lengths_versions_and_methods_that_lie_are_refused() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let good = peer.request("OPTIONS", "lies", "", "");
    for bad in [
        good.replace("Content-Length: 0", "Content-Length: 99"),
        good.replace("Content-Length: 0", "Content-Length: -5"),
        good.replace("1 OPTIONS", "1 BYE"),
        good.replace("1 OPTIONS", "4294967296 OPTIONS"),
        good.replace(" SIP/2.0\r\nVia", " SIP/7.0\r\nVia"),
        good.replace("SIP/2.0/UDP", "HTTP/1.1"),
        good.replace("OPTIONS", "FROBNICATE"),
        good.replace("To: <sip:bob", "To: <sip:x>\r\nTo: <sip:bob"),
        "x".repeat(60_000),
    ] {
        refused_or_silent(&peer, &bad).await;
    }
    assert!(!side.has_call());
    still_answers(&side).await;
    side.stop().await;
}

#[tokio::test]
async fn truncated_and_random_bytes_are_survived() {
    let side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let whole = peer.invite("cut");
    for end in (0..whole.len() - 1).step_by(7) {
        peer.send(&whole.as_bytes()[..end]).await;
    }
    let mut random = StdRng::seed_from_u64(5060);
    for _ in 0..2_000 {
        let mut bytes = whole.clone().into_bytes();
        for _ in 0..random.random_range(1..20) {
            let place = random.random_range(0..bytes.len());
            bytes[place] = random.random();
        }
        peer.send(&bytes).await;
        let noise: Vec<u8> = (0..random.random_range(1..200)).map(|_| random.random()).collect();
        peer.send(&noise).await;
    }
    still_answers(&side).await;
    side.stop().await;
}

#[tokio::test]
async fn requests_that_belong_to_nothing_are_told_so() {
    let side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    for (method, status) in [("BYE", "481"), ("INFO", "481"), ("MESSAGE", "405"), ("SUBSCRIBE", "405")] {
        peer.send(peer.request(method, "stranger", "", "").as_bytes()).await;
        let answer = peer.verdict().await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status}")), "{method}: {answer}");
    }
    let tagged = peer.invite("tagged").replace("\r\nCall-ID", ";tag=none\r\nCall-ID");
    peer.send(tagged.as_bytes()).await;
    assert!(peer.verdict().await.starts_with("SIP/2.0 481"));
    side.stop().await;
}

#[tokio::test]
async fn an_extension_that_is_not_understood_is_named() {
    let side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    peer.send(peer.request("INVITE", "needs", "Require: 100rel\r\n", "").as_bytes()).await;
    let answer = peer.verdict().await;
    assert!(answer.starts_with("SIP/2.0 420"), "{answer}");
    assert_eq!(header(&answer, "Unsupported"), "100rel");
    side.stop().await;
}

#[tokio::test]
async fn a_call_that_comes_twice_is_one_call() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let invite = peer.invite("twice");
    peer.send(invite.as_bytes()).await;
    side.call().await;
    peer.send(invite.as_bytes()).await;
    peer.send(invite.replace("branch=z9hG4bK", "branch=z9hG4bKother").as_bytes()).await;
    let answer = peer.verdict().await;
    assert!(answer.starts_with("SIP/2.0 482"), "{answer}");
    assert!(!side.has_call());
    side.stop().await;
}

#[tokio::test]
async fn a_full_engine_asks_to_come_back() {
    let side = Side::with(|settings, _| settings.max_legs = 0).await;
    let peer = Peer::new(side.address()).await;
    peer.send(peer.invite("full").as_bytes()).await;
    let answer = peer.verdict().await;
    assert!(answer.starts_with("SIP/2.0 503"), "{answer}");
    assert!(!header(&answer, "Retry-After").is_empty());
    side.stop().await;
}

#[tokio::test]
async fn rubbish_on_a_stream_costs_only_that_stream() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut side = Side::open().await;
    let to = side.engine.local().tcp.unwrap();
    let peer = Peer::new(side.address()).await;
    let lying = peer.invite("stream").replace("1 INVITE", "1 BYE").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let mut stream = tokio::net::TcpStream::connect(to).await.unwrap();
    stream.write_all(lying.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_096];
    let length = tokio::time::timeout(SOON, stream.read(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..length].starts_with(b"SIP/2.0 400"));
    for rubbish in [vec![b'x'; 200_000], b"INVITE sip:a SIP/2.0\r\nContent-Length: nine\r\n\r\n".to_vec()] {
        let mut stream = tokio::net::TcpStream::connect(to).await.unwrap();
        let _ = stream.write_all(&rubbish).await;
    }
    assert!(!side.has_call());
    still_answers(&side).await;
    side.stop().await;
}
