//! A call over TCP, and its process died: its connection died with it.

use protocol::ports::voice::{Command, EndedBy, LegEvent, LegId, LegState, Transport, VoiceEngine};

use crate::raw::{header, names, sdp, turned};
use crate::scene::heir_of;
use crate::stream::StreamPeer;
use crate::support::{Side, dial, loopback};

/// The peer calls, and it rings.
async fn rings(side: &mut Side, peer: &mut StreamPeer) -> LegId {
    peer.send(&peer.invite("stream")).await;
    let leg = side.call().await.leg;
    side.tell(leg, Command::Ring).await;
    peer.expect("SIP/2.0 180", &["SIP/2.0 100"]).await;
    leg
}

/// The leg is answered, and the peer acknowledges it on its connection.
async fn answers(side: &mut Side, peer: &mut StreamPeer, leg: LegId) -> String {
    side.tell(leg, Command::Answer).await;
    let answer = peer.expect("SIP/2.0 200", &[]).await;
    assert!(names(&answer, side), "{answer}");
    peer.send(&peer.inside("ACK", &answer, 1, "")).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    answer
}

/// A peer with a listening port that has called and hears it ring.
async fn called() -> (Side, StreamPeer, LegId) {
    let mut side = Side::open().await;
    let mut peer = StreamPeer::listening(&side).await;
    peer.connect(&side).await;
    let leg = rings(&mut side, &mut peer).await;
    (side, peer, leg)
}

/// A peer with a listening port that was called.
async fn calling() -> (Side, StreamPeer, LegId, String) {
    let side = Side::open().await;
    let mut peer = StreamPeer::listening(&side).await;
    let leg = side.dial(dial(loopback(peer.port), Transport::Tcp)).await;
    let invite = peer.expect("INVITE", &[]).await;
    (side, peer, leg, invite)
}

/// As `calling`, and it has answered; its own view of the dialog.
async fn has_answered(side: &mut Side, peer: &mut StreamPeer, leg: LegId, invite: &str) -> String {
    let answer = peer.respond(invite, "200 OK", "b1", &sdp(1, "sendrecv"));
    peer.send(&answer).await;
    peer.expect("ACK", &[]).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    turned(&answer)
}

async fn comes_along(peer: &mut StreamPeer, heir: &Side) {
    let moved = peer.expect("INVITE", &["ACK"]).await;
    assert!(names(&moved, heir), "{moved}");
    peer.send(&peer.agree(&moved, "200 OK", &sdp(2, "sendrecv"))).await;
    peer.expect("ACK", &[]).await;
}

/// The peer hangs up on a connection of its own.
async fn hangs_up(side: &mut Side, peer: &mut StreamPeer, leg: LegId, dialog: &str) {
    peer.connect(side).await;
    peer.send(&peer.inside("BYE", dialog, 2, "")).await;
    peer.expect("SIP/2.0 200", &[]).await;
    assert_eq!(side.ended(leg).await, (16, 200, EndedBy::Remote));
}

#[tokio::test]
async fn a_stream_peer_that_rang_is_answered_where_it_listens() {
    let (mut side, mut peer, leg) = called().await;
    side.restart().await;
    let answer = answers(&mut side, &mut peer, leg).await;
    hangs_up(&mut side, &mut peer, leg, &answer).await;
    side.stop().await;
}

#[tokio::test]
async fn a_stream_peer_that_rang_is_answered_by_the_heir() {
    let (side, mut peer, leg) = called().await;
    let mut heir = heir_of(side).await;
    let answer = answers(&mut heir, &mut peer, leg).await;
    hangs_up(&mut heir, &mut peer, leg, &answer).await;
    heir.stop().await;
}

#[tokio::test]
async fn an_answer_without_ack_is_repeated_where_a_stream_peer_listens() {
    let (mut side, mut peer, leg) = called().await;
    side.tell(leg, Command::Answer).await;
    let answer = peer.expect("SIP/2.0 200", &[]).await;
    side.restart().await;
    assert_eq!(peer.expect("SIP/2.0 200", &[]).await, answer);
    peer.connect(&side).await;
    peer.send(&peer.inside("ACK", &answer, 1, "")).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    side.stop().await;
}

#[tokio::test]
async fn a_stream_peer_that_called_is_hung_up_on_where_it_listens() {
    let (mut side, mut peer, leg) = called().await;
    answers(&mut side, &mut peer, leg).await;
    side.restart().await;
    side.hangup(leg).await;
    peer.expect("BYE", &[]).await;
    side.stop().await;
}

#[tokio::test]
async fn a_stream_peer_that_called_comes_along_with_the_heir() {
    let (mut side, mut peer, leg) = called().await;
    let answer = answers(&mut side, &mut peer, leg).await;
    let mut heir = heir_of(side).await;
    comes_along(&mut peer, &heir).await;
    hangs_up(&mut heir, &mut peer, leg, &answer).await;
    heir.stop().await;
}

#[tokio::test]
async fn a_stream_peer_that_was_called_is_called_again_with_the_same_bytes() {
    let (mut side, mut peer, leg, invite) = calling().await;
    peer.send(&peer.respond(&invite, "180 Ringing", "b1", "")).await;
    assert_eq!(side.event(leg).await, LegEvent::Ringing);
    side.restart().await;
    assert_eq!(peer.hear().await, invite);
    let dialog = has_answered(&mut side, &mut peer, leg, &invite).await;
    hangs_up(&mut side, &mut peer, leg, &dialog).await;
    side.stop().await;
}

#[tokio::test]
async fn a_stream_peer_that_was_called_and_only_rang_is_cancelled_by_the_heir() {
    let (mut side, mut peer, leg, invite) = calling().await;
    peer.send(&peer.respond(&invite, "180 Ringing", "b1", "")).await;
    assert_eq!(side.event(leg).await, LegEvent::Ringing);
    let mut heir = heir_of(side).await;
    let cancel = peer.expect("CANCEL", &[]).await;
    assert_eq!(header(&cancel, "Via"), header(&invite, "Via"));
    assert_eq!(heir.ended(leg).await.2, EndedBy::Timeout);
    heir.stop().await;
}

#[tokio::test]
async fn a_stream_peer_that_was_called_is_hung_up_on_where_it_listens() {
    let (mut side, mut peer, leg, invite) = calling().await;
    has_answered(&mut side, &mut peer, leg, &invite).await;
    side.restart().await;
    side.hangup(leg).await;
    peer.expect("BYE", &[]).await;
    side.stop().await;
}

#[tokio::test]
async fn a_stream_peer_that_was_called_comes_along_with_the_heir() {
    let (mut side, mut peer, leg, invite) = calling().await;
    let dialog = has_answered(&mut side, &mut peer, leg, &invite).await;
    let mut heir = heir_of(side).await;
    comes_along(&mut peer, &heir).await;
    hangs_up(&mut heir, &mut peer, leg, &dialog).await;
    heir.stop().await;
}

#[tokio::test]
async fn a_stream_peer_that_listens_nowhere_hangs_up_on_a_connection_of_its_own() {
    let mut side = Side::open().await;
    let mut peer = StreamPeer::connected(&side).await;
    let leg = rings(&mut side, &mut peer).await;
    let answer = answers(&mut side, &mut peer, leg).await;
    side.restart().await;
    assert_eq!(side.engine.state(leg), Some(LegState::Up));
    hangs_up(&mut side, &mut peer, leg, &answer).await;
    side.stop().await;
}

#[tokio::test]
async fn a_stream_peer_that_listens_nowhere_and_only_rang_is_lost() {
    let mut side = Side::open().await;
    let mut peer = StreamPeer::connected(&side).await;
    let leg = rings(&mut side, &mut peer).await;
    side.restart().await;
    assert_eq!(side.ended(leg).await.2, EndedBy::Timeout);
    assert_eq!((side.engine.state(leg), side.engine.legs()), (None, 0));
    side.stop().await;
}
