//! The peer hangs up, and the process dies before it has agreed.

use protocol::ports::voice::{EndedBy, LegId, VoiceEngine};

use crate::raw::{Peer, header};
use crate::scene::{hangs_up, heir_of, pair, up};
use crate::support::Side;

/// A BYE that came in; the process died when it wrote that down, and nothing was answered.
async fn dead_at_the_bye(written: bool) -> (Side, Peer, LegId, String) {
    let (mut side, peer) = pair().await;
    let (leg, answer) = up(&mut side, &peer, "bye").await;
    side.journal.die_at(1, written);
    peer.send(peer.inside("BYE", &answer, 2, "").as_bytes()).await;
    side.dies().await;
    assert!(peer.so_far().await.is_empty());
    (side, peer, leg, answer)
}

#[tokio::test]
async fn a_bye_that_was_not_written_down_ends_the_call_when_it_comes_again() {
    let (mut side, peer, leg, answer) = dead_at_the_bye(false).await;
    side.restart().await;
    hangs_up(&peer, &answer, 2).await;
    assert_eq!(side.ended(leg).await, (16, 200, EndedBy::Remote));
    side.stop().await;
}

#[tokio::test]
async fn a_bye_that_was_written_down_is_agreed_to_as_often_as_it_comes() {
    let (mut side, peer, leg, answer) = dead_at_the_bye(true).await;
    side.restart().await;
    assert_eq!(side.engine.state(leg), None);
    for _ in 0..2 {
        hangs_up(&peer, &answer, 2).await;
    }
    side.stop().await;
}

#[tokio::test]
async fn a_call_that_its_peer_has_ended_is_over_for_the_heir_when_the_peer_says_so() {
    let (side, mut peer, leg, _) = dead_at_the_bye(false).await;
    let mut heir = heir_of(side).await;
    peer.follow(&heir);
    // its BYE goes to the old address; what is asked of a call that it has ended is not known to it
    let moved = peer.expect("INVITE", &[]).await;
    peer.send(peer.agree(&moved, "481 Call/Transaction Does Not Exist", "").as_bytes()).await;
    assert_eq!(heir.ended(leg).await.2, EndedBy::Timeout);
    let bye = peer.expect("BYE", &["ACK", "INVITE"]).await;
    peer.send(peer.agree(&bye, "481 Call/Transaction Does Not Exist", "").as_bytes()).await;
    assert_eq!(heir.engine.legs(), 0);
    heir.stop().await;
}

#[tokio::test]
async fn a_call_that_was_written_down_as_ended_is_left_alone_by_the_heir() {
    let (side, mut peer, leg, answer) = dead_at_the_bye(true).await;
    let heir = heir_of(side).await;
    assert_eq!(heir.engine.state(leg), None);
    peer.follow(&heir);
    peer.send(peer.inside("BYE", &answer, 2, "").as_bytes()).await;
    let first = peer.hear().await;
    assert!(first.starts_with("SIP/2.0 200") && header(&first, "CSeq") == "2 BYE", "{first}");
    heir.stop().await;
}
