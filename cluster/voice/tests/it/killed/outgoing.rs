//! We called, and the process died before it knew that the peer has answered.

use protocol::ports::voice::{EndedBy, LegEvent, LegId, LegState, VoiceEngine};

use crate::raw::{Peer, header, names, number, sdp, turned};
use crate::scene::{call, calling, hangs_up, heir_of, pair};
use crate::support::Side;

/// A call that was wanted; its process died when it wrote that down, and nothing was sent.
async fn dead_at_the_dial(written: bool) -> (Side, Peer, LegId) {
    let (side, peer) = pair().await;
    side.journal.die_at(1, written);
    let leg = call(&side, &peer).await;
    side.dies().await;
    assert!(peer.so_far().await.is_empty());
    (side, peer, leg)
}

/// A call whose INVITE was sent and had no response when its process died.
async fn dead_without_response() -> (Side, Peer, LegId, String) {
    let (side, peer, leg, invite) = calling().await;
    side.kill().await;
    peer.so_far().await;
    (side, peer, leg, invite)
}

/// A call that was answered; its process died when it wrote that down. Nothing was acknowledged.
async fn dead_at_the_answer(written: bool) -> (Side, Peer, LegId, String) {
    let (side, peer) = pair().await;
    side.journal.die_at(2, written);
    let leg = call(&side, &peer).await;
    let invite = peer.expect("INVITE", &[]).await;
    peer.send(answer(&peer, &invite).as_bytes()).await;
    side.dies().await;
    let heard = peer.so_far().await;
    assert!(!heard.iter().any(|message| message.starts_with("ACK")), "{heard:?}");
    (side, peer, leg, invite)
}

fn answer(peer: &Peer, invite: &str) -> String {
    peer.respond(invite, "200 OK", "b1", &sdp(1, "sendrecv"))
}

/// The heir says that the call is lost, and nobody has it any more.
async fn is_lost(heir: &mut Side, leg: LegId) {
    assert_eq!(heir.ended(leg).await.2, EndedBy::Timeout);
    assert_eq!((heir.engine.state(leg), heir.engine.legs()), (None, 0));
}

#[tokio::test]
async fn an_invite_of_ours_that_was_written_down_is_sent() {
    let (mut side, peer, leg) = dead_at_the_dial(true).await;
    side.restart().await;
    let invite = peer.expect("INVITE", &[]).await;
    peer.send(answer(&peer, &invite).as_bytes()).await;
    peer.expect("ACK", &["INVITE"]).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    side.stop().await;
}

#[tokio::test]
async fn an_invite_of_ours_that_was_not_written_down_was_never_wanted() {
    let (mut side, peer, leg) = dead_at_the_dial(false).await;
    side.restart().await;
    assert_eq!((side.engine.state(leg), side.engine.legs()), (None, 0));
    assert!(peer.so_far().await.is_empty());
    side.stop().await;
}

#[tokio::test]
async fn an_invite_of_ours_that_was_only_written_down_is_lost_with_its_address() {
    let (side, peer, leg) = dead_at_the_dial(true).await;
    let mut heir = heir_of(side).await;
    is_lost(&mut heir, leg).await;
    let cancel = peer.expect("CANCEL", &[]).await;
    peer.send_to(peer.agree(&cancel, "481 No Such Transaction", "").as_bytes(), heir.address()).await;
    heir.stop().await;
}

#[tokio::test]
async fn an_invite_of_ours_without_response_is_sent_again_with_the_same_bytes() {
    let (mut side, peer, leg, invite) = dead_without_response().await;
    side.restart().await;
    assert_eq!(peer.hear().await, invite);
    peer.send(answer(&peer, &invite).as_bytes()).await;
    peer.expect("ACK", &["INVITE"]).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    hangs_up(&peer, &turned(&answer(&peer, &invite)), 1).await;
    assert_eq!(side.ended(leg).await, (16, 200, EndedBy::Remote));
    side.stop().await;
}

#[tokio::test]
async fn an_invite_of_ours_without_response_is_lost_with_its_address() {
    let (side, peer, leg, invite) = dead_without_response().await;
    let mut heir = heir_of(side).await;
    // it answers whom its INVITE names, and never hears of that again
    peer.send(answer(&peer, &invite).as_bytes()).await;
    is_lost(&mut heir, leg).await;
    heir.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_not_written_down_is_acknowledged_when_it_comes_again() {
    let (mut side, peer, leg, invite) = dead_at_the_answer(false).await;
    side.restart().await;
    assert_eq!(peer.hear().await, invite);
    peer.send(answer(&peer, &invite).as_bytes()).await;
    let ack = peer.expect("ACK", &["INVITE"]).await;
    assert_eq!(number(&ack), number(&invite));
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    side.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_not_written_down_is_lost_with_its_address() {
    let (side, _peer, leg, _) = dead_at_the_answer(false).await;
    let mut heir = heir_of(side).await;
    is_lost(&mut heir, leg).await;
    heir.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_written_down_is_acknowledged_from_the_journal() {
    let (mut side, peer, leg, invite) = dead_at_the_answer(true).await;
    side.restart().await;
    assert_eq!(side.engine.state(leg), Some(LegState::Up));
    for _ in 0..2 {
        peer.send(answer(&peer, &invite).as_bytes()).await;
        let ack = peer.expect("ACK", &[]).await;
        assert_eq!(number(&ack), number(&invite));
        assert!(header(&ack, "To").ends_with(";tag=b1"), "{ack}");
    }
    side.hangup(leg).await;
    peer.expect("BYE", &[]).await;
    side.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_written_down_is_acknowledged_by_the_heir() {
    let (side, mut peer, leg, invite) = dead_at_the_answer(true).await;
    let heir = heir_of(side).await;
    // a peer whose 200 nobody acknowledges ends the call after 32 s
    let ack = peer.expect("ACK", &[]).await;
    assert_eq!(number(&ack), number(&invite));
    let moved = peer.expect("INVITE", &[]).await;
    assert!(number(&moved) == number(&invite) + 1 && names(&moved, &heir), "{moved}");
    peer.follow(&heir);
    peer.send(peer.agree(&moved, "200 OK", &sdp(2, "sendrecv")).as_bytes()).await;
    peer.expect("ACK", &["INVITE"]).await;
    assert_eq!(heir.engine.state(leg), Some(LegState::Up));
    heir.stop().await;
}

#[tokio::test]
async fn a_cancel_that_was_written_down_is_sent() {
    let (mut side, peer, leg, invite) = calling().await;
    peer.send(peer.respond(&invite, "180 Ringing", "b1", "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Ringing);
    side.journal.die_at(1, true);
    side.hangup(leg).await;
    side.dies().await;
    let heard = peer.so_far().await;
    assert!(heard.iter().all(|message| *message == invite), "{heard:?}");
    side.restart().await;
    assert_eq!(peer.hear().await, invite);
    peer.send(peer.respond(&invite, "180 Ringing", "b1", "").as_bytes()).await;
    let cancel = peer.expect("CANCEL", &["INVITE"]).await;
    assert_eq!(header(&cancel, "Via"), header(&invite, "Via"));
    assert_eq!(side.engine.state(leg), None);
    side.stop().await;
}
