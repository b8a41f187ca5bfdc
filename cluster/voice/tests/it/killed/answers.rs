//! A call came in and was answered, and its process died before it knew of the ACK.

use protocol::ports::voice::{Command, EndedBy, LegEvent, LegId, LegState, VoiceEngine};

use crate::raw::{Peer, header, media_port, names, sdp, turned};
use crate::scene::{answered, hangs_up, heir_of, pair, ringing};
use crate::support::Side;

/// A call that rang and was answered; its process died before the 200 was sent. Its 180, too.
async fn dead_at_the_answer() -> (Side, Peer, LegId, String) {
    let (mut side, peer) = pair().await;
    let (leg, rang) = ringing(&mut side, &peer, "written").await;
    side.journal.die_at(1, true);
    side.tell(leg, Command::Answer).await;
    side.dies().await;
    assert!(peer.so_far().await.is_empty());
    (side, peer, leg, rang)
}

/// The engine asks the peer to come to it, and the peer does.
async fn comes_along(peer: &mut Peer, heir: &Side) -> String {
    peer.follow(heir);
    let moved = peer.expect("INVITE", &["SIP/2.0 200"]).await;
    assert!(names(&moved, heir), "{moved}");
    peer.send(peer.agree(&moved, "200 OK", &sdp(2, "sendrecv")).as_bytes()).await;
    peer.expect("ACK", &["SIP/2.0 200", "INVITE"]).await;
    moved
}

#[tokio::test]
async fn an_answer_that_was_written_down_is_sent() {
    let (mut side, peer, leg, rang) = dead_at_the_answer().await;
    side.restart().await;
    let answer = peer.expect("SIP/2.0", &[]).await;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert_eq!(header(&answer, "To"), header(&rang, "To"));
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    side.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_written_down_is_sent_by_the_heir_before_it_asks_anything() {
    let (side, mut peer, leg, rang) = dead_at_the_answer().await;
    let heir = heir_of(side).await;
    // a request before the 200 would find a call that only rings
    let answer = peer.expect("SIP/2.0", &[]).await;
    assert!(answer.starts_with("SIP/2.0 200") && names(&answer, &heir), "{answer}");
    assert_eq!(header(&answer, "To"), header(&rang, "To"));
    assert!(heir.settings.rtp_ports.contains(&media_port(&answer)), "{answer}");
    peer.follow(&heir);
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    comes_along(&mut peer, &heir).await;
    assert_eq!(heir.engine.state(leg), Some(LegState::Up));
    heir.stop().await;
}

#[tokio::test]
async fn an_answer_without_ack_is_repeated_with_the_same_bytes() {
    let (mut side, peer) = pair().await;
    let (leg, answer) = answered(&mut side, &peer, "noack").await;
    side.kill().await;
    peer.so_far().await;
    side.restart().await;
    assert_eq!(peer.hear().await, answer);
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    hangs_up(&peer, &answer, 2).await;
    side.stop().await;
}

#[tokio::test]
async fn an_answer_without_ack_never_leads_a_peer_back_to_the_old_address() {
    let (mut side, mut peer) = pair().await;
    let (leg, answer) = answered(&mut side, &peer, "led").await;
    side.kill().await;
    peer.so_far().await;
    let mut heir = heir_of(side).await;
    // this peer goes wherever the last Contact says, and has acknowledged the first 200 already
    let again = peer.expect("SIP/2.0 200", &[]).await;
    assert!(names(&again, &heir) && header(&again, "To") == header(&answer, "To"), "{again}");
    assert_eq!(header(&again, "CSeq"), "1 INVITE");
    let moved = comes_along(&mut peer, &heir).await;
    assert_eq!(header(&turned(&moved), "To"), header(&answer, "To"));
    peer.send(peer.inside("ACK", &again, 1, "").as_bytes()).await;
    assert_eq!(heir.event(leg).await, LegEvent::Answered);
    hangs_up(&peer, &answer, 2).await;
    assert_eq!(heir.ended(leg).await, (16, 200, EndedBy::Remote));
    heir.stop().await;
}

#[tokio::test]
async fn an_ack_that_was_not_written_down_costs_one_more_answer() {
    let (mut side, peer) = pair().await;
    let (leg, answer) = answered(&mut side, &peer, "lazy").await;
    side.journal.die_at(1, false);
    let ack = peer.inside("ACK", &answer, 1, "");
    peer.send(ack.as_bytes()).await;
    side.dies().await;
    peer.so_far().await;
    side.restart().await;
    assert_eq!(peer.hear().await, answer);
    peer.send(ack.as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    hangs_up(&peer, &answer, 2).await;
    side.stop().await;
}

#[tokio::test]
async fn a_call_that_was_ended_before_its_ack_is_ended_by_the_heir_after_it() {
    let (mut side, mut peer) = pair().await;
    let (leg, answer) = answered(&mut side, &peer, "hasty").await;
    side.hangup(leg).await;
    assert_eq!(side.ended(leg).await, (16, 200, EndedBy::Local));
    side.kill().await;
    peer.so_far().await;
    let heir = heir_of(side).await;
    // without the 200 a BYE would find a call that only rings
    let again = peer.expect("SIP/2.0 200", &[]).await;
    assert!(names(&again, &heir) && header(&again, "To") == header(&answer, "To"), "{again}");
    peer.follow(&heir);
    peer.send(peer.inside("ACK", &again, 1, "").as_bytes()).await;
    let bye = peer.expect("BYE", &["SIP/2.0 200"]).await;
    assert!(header(&bye, "Via").contains(&heir.address().to_string()), "{bye}");
    assert_eq!(heir.engine.state(leg), None);
    heir.stop().await;
}
