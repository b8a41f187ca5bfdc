//! The peer holds the call, and the process dies before it has agreed.

use protocol::ports::voice::{LegEvent, LegId, LegState, VoiceEngine};

use crate::raw::{Peer, header, names, sdp};
use crate::scene::{heir_of, pair, up};
use crate::support::Side;

fn hold(peer: &Peer, answer: &str) -> String {
    peer.inside("INVITE", answer, 2, &sdp(2, "sendonly"))
}

/// A hold that came in; the process died when it wrote that down, and nothing was answered.
async fn dead_at_the_hold(written: bool) -> (Side, Peer, LegId, String) {
    let (mut side, peer) = pair().await;
    let (leg, answer) = up(&mut side, &peer, "theirs").await;
    side.journal.die_at(1, written);
    peer.send(hold(&peer, &answer).as_bytes()).await;
    side.dies().await;
    let heard = peer.so_far().await;
    assert!(heard.iter().all(|message| message.starts_with("SIP/2.0 100")), "{heard:?}");
    (side, peer, leg, answer)
}

/// The peer hears that it holds, and takes the call back.
async fn takes_back(side: &mut Side, peer: &Peer, leg: LegId, answer: &str) {
    peer.send(peer.inside("ACK", answer, 2, "").as_bytes()).await;
    peer.send(peer.inside("INVITE", answer, 3, &sdp(3, "sendrecv")).as_bytes()).await;
    let back = loop {
        let message = peer.verdict().await;
        if header(&message, "CSeq") == "3 INVITE" {
            break message;
        }
    };
    assert!(back.starts_with("SIP/2.0 200") && back.contains("a=sendrecv"), "{back}");
    peer.send(peer.inside("ACK", answer, 3, "").as_bytes()).await;
    while side.event(leg).await != LegEvent::Held(false) {}
}

#[tokio::test]
async fn a_hold_that_was_not_written_down_is_agreed_to_when_it_comes_again() {
    let (mut side, peer, leg, answer) = dead_at_the_hold(false).await;
    side.restart().await;
    peer.send(hold(&peer, &answer).as_bytes()).await;
    let agreed = peer.verdict().await;
    assert!(agreed.starts_with("SIP/2.0 200") && agreed.contains("a=recvonly"), "{agreed}");
    assert_eq!(side.event(leg).await, LegEvent::Held(true));
    takes_back(&mut side, &peer, leg, &answer).await;
    side.stop().await;
}

#[tokio::test]
async fn a_hold_that_was_written_down_is_agreed_to() {
    let (mut side, peer, leg, answer) = dead_at_the_hold(true).await;
    side.restart().await;
    let agreed = peer.verdict().await;
    assert!(agreed.starts_with("SIP/2.0 200") && agreed.contains("a=recvonly"), "{agreed}");
    assert_eq!(header(&agreed, "CSeq"), "2 INVITE");
    takes_back(&mut side, &peer, leg, &answer).await;
    side.stop().await;
}

#[tokio::test]
async fn an_agreement_to_a_hold_is_repeated_with_the_same_bytes() {
    let (mut side, peer) = pair().await;
    let (leg, answer) = up(&mut side, &peer, "again").await;
    peer.send(hold(&peer, &answer).as_bytes()).await;
    let agreed = peer.verdict().await;
    side.kill().await;
    peer.so_far().await;
    side.restart().await;
    assert_eq!(peer.hear().await, agreed);
    takes_back(&mut side, &peer, leg, &answer).await;
    side.stop().await;
}

#[tokio::test]
async fn a_peer_whose_own_offer_is_open_is_asked_by_the_heir_until_it_takes_ours() {
    let (side, mut peer, leg, _) = dead_at_the_hold(false).await;
    let heir = heir_of(side).await;
    peer.follow(&heir);
    let first = peer.expect("INVITE", &[]).await;
    peer.send(peer.agree(&first, "491 Request Pending", "").as_bytes()).await;
    let next = loop {
        let next = peer.expect("INVITE", &["ACK"]).await;
        if header(&next, "CSeq") != header(&first, "CSeq") {
            break next;
        }
    };
    assert!(names(&next, &heir), "{next}");
    peer.send(peer.agree(&next, "200 OK", &sdp(2, "sendonly")).as_bytes()).await;
    peer.expect("ACK", &["INVITE"]).await;
    assert_eq!(heir.engine.state(leg), Some(LegState::Up));
    heir.stop().await;
}

#[tokio::test]
async fn a_hold_that_was_written_down_is_agreed_to_by_the_heir_before_it_asks_anything() {
    let (side, mut peer, leg, answer) = dead_at_the_hold(true).await;
    let mut heir = heir_of(side).await;
    // until its own offer is answered it would take none of ours
    let agreed = peer.expect("SIP/2.0", &[]).await;
    assert!(agreed.starts_with("SIP/2.0 200") && agreed.contains("a=recvonly"), "{agreed}");
    assert!(names(&agreed, &heir) && header(&agreed, "CSeq") == "2 INVITE", "{agreed}");
    peer.follow(&heir);
    peer.send(peer.inside("ACK", &answer, 2, "").as_bytes()).await;
    let moved = peer.expect("INVITE", &["SIP/2.0 200"]).await;
    peer.send(peer.agree(&moved, "200 OK", &sdp(2, "sendonly")).as_bytes()).await;
    peer.expect("ACK", &["INVITE", "SIP/2.0 200"]).await;
    takes_back(&mut heir, &peer, leg, &answer).await;
    heir.stop().await;
}
