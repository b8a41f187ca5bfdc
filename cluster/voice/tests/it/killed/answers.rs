//! A call came in and was answered, and its process died before it knew of the ACK.

use protocol::ports::voice::{Command, LegEvent, LegId};

use crate::raw::{Peer, header};
use crate::scene::{answered, hangs_up, pair, ringing};
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
