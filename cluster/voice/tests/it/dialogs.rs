//! What a peer may do inside a call, written out message by message.

use std::future::poll_fn;
use std::task::Poll;

use protocol::ports::voice::{Command, EndedBy, LegEvent, LegId, Transport, VoiceEngine};

use crate::raw::{Peer, header, sdp};
use crate::scene::calling;
use crate::support::{SOON, Side, dial, loopback};

/// A call from a bare peer, answered and acknowledged. `offer`: whether the INVITE had one.
async fn called(offer: bool) -> (Side, Peer, LegId, String) {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let invite = if offer { peer.invite("call") } else { peer.request("INVITE", "call", "", "") };
    peer.send(invite.as_bytes()).await;
    let leg = side.call().await.leg;
    side.tell(leg, Command::Answer).await;
    let answer = peer.verdict().await;
    assert!(answer.starts_with("SIP/2.0 200") && answer.contains("m=audio"), "{answer}");
    let body = if offer { String::new() } else { sdp(1, "sendrecv") };
    peer.send(peer.inside("ACK", &answer, 1, &body).as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    (side, peer, leg, answer)
}

#[tokio::test]
async fn a_peer_holds_and_takes_back() {
    let (mut side, peer, leg, answer) = called(true).await;
    for (cseq, flow, held) in [(2, "sendonly", true), (3, "sendrecv", false)] {
        peer.send(peer.inside("INVITE", &answer, cseq, &sdp(cseq, flow)).as_bytes()).await;
        let agreed = peer.verdict().await;
        assert!(agreed.starts_with("SIP/2.0 200"), "{agreed}");
        assert_eq!(agreed.contains("a=recvonly"), held, "{agreed}");
        peer.send(peer.inside("ACK", &answer, cseq, "").as_bytes()).await;
        assert_eq!(side.event(leg).await, LegEvent::Held(held));
    }
    side.stop().await;
}

#[tokio::test]
async fn an_invite_without_offer_gets_one() {
    let (side, peer, _, answer) = called(false).await;
    peer.send(peer.inside("INVITE", &answer, 2, "").as_bytes()).await;
    let offer = peer.verdict().await;
    assert!(offer.starts_with("SIP/2.0 200") && offer.contains("m=audio"), "{offer}");
    side.stop().await;
}

#[tokio::test]
async fn a_reinvite_that_meets_ours_is_told_so() {
    let (side, peer, leg, answer) = called(true).await;
    side.tell(leg, Command::Hold(true)).await;
    let ours = peer.skip_to("INVITE ").await;
    assert!(ours.contains("a=sendonly"));
    peer.send(peer.inside("INVITE", &answer, 2, &sdp(2, "sendrecv")).as_bytes()).await;
    let met = peer.verdict().await;
    assert!(met.starts_with("SIP/2.0 491"), "{met}");
    side.stop().await;
}

#[tokio::test]
async fn requests_inside_a_call_are_answered_as_they_deserve() {
    let (mut side, peer, leg, answer) = called(true).await;
    for (cseq, method, status) in [(2, "UPDATE", "200"), (3, "OPTIONS", "200"), (4, "REFER", "405")] {
        peer.send(peer.inside(method, &answer, cseq, "").as_bytes()).await;
        let heard = peer.verdict().await;
        assert!(heard.starts_with(&format!("SIP/2.0 {status}")), "{method}: {heard}");
    }
    let info = peer.inside("INFO", &answer, 5, "Signal=7\r\nDuration=160\r\n");
    peer.send(info.replace("application/sdp", "application/dtmf-relay").as_bytes()).await;
    assert!(peer.verdict().await.starts_with("SIP/2.0 200"));
    assert_eq!(side.event(leg).await, LegEvent::Digit { digit: '7', duration_ms: 160 });
    peer.send(peer.inside("OPTIONS", &answer, 3, "").replace("branch=", "branch=old").as_bytes()).await;
    assert!(peer.verdict().await.starts_with("SIP/2.0 500"));
    peer.send(peer.inside("INVITE", &answer, 6, "v=0\r\nm=video 9 RTP/AVP 97\r\n").as_bytes()).await;
    assert!(peer.verdict().await.starts_with("SIP/2.0 488"));
    side.stop().await;
}

#[tokio::test]
async fn a_bye_names_its_cause() {
    let (mut side, peer, leg, answer) = called(true).await;
    let bye =
        peer.inside("BYE", &answer, 2, "").replace("Max-Forwards", "Reason: Q.850;cause=41\r\nMax-Forwards");
    peer.send(bye.as_bytes()).await;
    assert!(peer.verdict().await.starts_with("SIP/2.0 200"));
    assert_eq!(side.ended(leg).await, (41, 200, EndedBy::Remote));
    side.stop().await;
}

#[tokio::test]
async fn a_fork_that_answers_second_is_ended() {
    let (mut side, peer, leg, invite) = calling().await;
    peer.send(peer.respond(&invite, "180 Ringing", "one", "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Ringing);
    peer.send(peer.respond(&invite, "180 Ringing", "two", "").as_bytes()).await;
    peer.send(peer.respond(&invite, "200 OK", "two", &sdp(1, "sendrecv")).as_bytes()).await;
    peer.skip_to("ACK ").await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    peer.send(peer.respond(&invite, "200 OK", "one", &sdp(1, "sendrecv")).as_bytes()).await;
    assert!(header(&peer.skip_to("ACK ").await, "To").ends_with(";tag=one"));
    assert!(header(&peer.skip_to("BYE ").await, "To").ends_with(";tag=one"));
    assert_eq!(side.engine.legs(), 1);
    side.stop().await;
}

#[tokio::test]
async fn a_cancel_waits_for_a_provisional_response() {
    let (mut side, peer, leg, invite) = calling().await;
    side.hangup(leg).await;
    assert_eq!(side.ended(leg).await, (16, 487, EndedBy::Local));
    peer.send(peer.respond(&invite, "180 Ringing", "one", "").as_bytes()).await;
    let cancel = peer.skip_to("CANCEL ").await;
    assert_eq!(header(&cancel, "Via"), header(&invite, "Via"));
    assert!(header(&cancel, "Reason").contains("cause=16"));
    side.stop().await;
}

#[tokio::test]
async fn an_answer_that_crosses_a_cancel_is_ended() {
    let (mut side, peer, leg, invite) = calling().await;
    peer.send(peer.respond(&invite, "180 Ringing", "one", "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Ringing);
    side.hangup(leg).await;
    assert_eq!(side.ended(leg).await, (16, 487, EndedBy::Local));
    peer.send(peer.respond(&invite, "200 OK", "one", &sdp(1, "sendrecv")).as_bytes()).await;
    peer.skip_to("ACK ").await;
    let bye = peer.skip_to("BYE ").await;
    peer.send(peer.respond(&bye, "200 OK", "x", "").as_bytes()).await;
    side.stop().await;
}

#[tokio::test]
async fn early_media_is_reported_once() {
    let (mut side, peer, leg, invite) = calling().await;
    for _ in 0..2 {
        peer.send(peer.respond(&invite, "183 Session Progress", "one", &sdp(1, "sendrecv")).as_bytes()).await;
    }
    assert_eq!(side.event(leg).await, LegEvent::EarlyMedia);
    peer.send(peer.respond(&invite, "200 OK", "one", &sdp(1, "sendrecv")).as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    side.stop().await;
}

#[tokio::test]
async fn nobody_answering_is_a_timeout() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let mut wanted = dial(loopback(peer.port()), Transport::Udp);
    wanted.timeout_ms = 200;
    let leg = side.dial(wanted).await;
    let invite = peer.hear().await;
    peer.send(peer.respond(&invite, "180 Ringing", "one", "").as_bytes()).await;
    assert_eq!(side.ended(leg).await, (19, 408, EndedBy::Timeout));
    peer.skip_to("CANCEL ").await;
    side.stop().await;
}

#[tokio::test]
async fn a_peer_that_takes_no_connection_ends_the_call() {
    let mut side = Side::open().await;
    let unused = std::net::TcpListener::bind(loopback(0)).unwrap().local_addr().unwrap();
    let leg = side.dial(dial(unused, Transport::Tcp)).await;
    assert_eq!(side.ended(leg).await, (27, 503, EndedBy::Timeout));
    side.stop().await;
}

#[tokio::test]
async fn a_customers_headers_are_sent_but_not_ours() {
    let side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let mut wanted = dial(loopback(peer.port()), Transport::Udp);
    wanted.headers = vec![("X-Tenant".into(), "7".into()), ("Via".into(), "evil".into())];
    wanted.from.anonymous = true;
    wanted.from.user = "+15551234".into();
    side.dial(wanted.clone()).await;
    let invite = peer.hear().await;
    assert_eq!(header(&invite, "X-Tenant"), "7");
    assert!(!invite.contains("evil"));
    assert!(header(&invite, "From").starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>"));
    assert_eq!(
        (header(&invite, "Privacy"), header(&invite, "P-Asserted-Identity")),
        ("id", "<tel:+15551234>")
    );
    wanted.headers = vec![("X-Bad".into(), "a\r\nVia: b".into())];
    let refused = side.engine.command(uuid::Uuid::new_v4(), Command::Dial(Box::new(wanted))).await;
    assert_eq!(refused.unwrap_err().status, protocol::Status::InvalidArgument);
    side.stop().await;
}

#[tokio::test]
async fn a_callee_that_hangs_up_waits_for_the_ack() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    peer.send(peer.invite("hasty").as_bytes()).await;
    let leg = side.call().await.leg;
    side.tell(leg, Command::Answer).await;
    let answer = peer.verdict().await;
    side.hangup(leg).await;
    assert_eq!(side.ended(leg).await, (16, 200, EndedBy::Local));
    assert!(peer.verdict().await.starts_with("SIP/2.0 200"), "the answer again, and no BYE yet");
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    peer.skip_to("BYE ").await;
    side.stop().await;
}

#[tokio::test]
async fn a_hold_that_is_refused_leaves_the_call_as_it_was() {
    let (side, peer, leg, _) = called(true).await;
    side.tell(leg, Command::Hold(true)).await;
    let hold = peer.skip_to("INVITE ").await;
    peer.send(peer.agree(&hold, "488 Not Acceptable Here", "").as_bytes()).await;
    peer.skip_to("ACK ").await;
    side.tell(leg, Command::Hold(false)).await;
    let again = peer.skip_to("INVITE ").await;
    assert!(again.contains("a=sendrecv"), "{again}");
    side.stop().await;
}

#[tokio::test]
async fn a_planned_stop_refuses_new_calls_and_waits_for_the_old() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    peer.send(peer.invite("first").as_bytes()).await;
    let first = side.call().await.leg;
    let engine = side.engine.clone();
    let mut stopping = Box::pin(async move { engine.stop(SOON).await });
    let waits = poll_fn(|context| Poll::Ready(stopping.as_mut().poll(context).is_pending())).await;
    assert!(waits);
    peer.send(peer.invite("late").as_bytes()).await;
    let answer = peer.verdict().await;
    assert!(answer.starts_with("SIP/2.0 503") && !header(&answer, "Retry-After").is_empty(), "{answer}");
    side.tell(first, Command::Hangup { cause: 17 }).await;
    assert_eq!(side.ended(first).await, (17, 486, EndedBy::Local));
    tokio::time::timeout(SOON, stopping).await.unwrap();
}
