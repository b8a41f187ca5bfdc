//! A re-INVITE of ours is open, and its process died.

use protocol::ports::voice::{Command, LegId, LegState, VoiceEngine};

use crate::raw::{Peer, header, names, number, sdp, version};
use crate::scene::{hangs_up, heir_of, pair, up};
use crate::support::Side;

/// A call in which a hold was wanted; its process dies at the `write`-th write from there.
async fn holding(write: usize, done: bool) -> (Side, Peer, LegId, String) {
    let (mut side, peer) = pair().await;
    let (leg, answer) = up(&mut side, &peer, "hold").await;
    side.journal.die_at(write, done);
    side.tell(leg, Command::Hold(true)).await;
    (side, peer, leg, answer)
}

/// A hold that was sent and not answered when its process died.
async fn held() -> (Side, Peer, LegId, String, String) {
    let (mut side, peer) = pair().await;
    let (leg, answer) = up(&mut side, &peer, "held").await;
    side.tell(leg, Command::Hold(true)).await;
    let offer = peer.expect("INVITE", &[]).await;
    side.kill().await;
    peer.so_far().await;
    (side, peer, leg, answer, offer)
}

/// A hold that the peer agreed to; its process dies when it writes that down. Nothing was acknowledged.
async fn dead_at_the_agreement(written: bool) -> (Side, Peer, LegId, String) {
    let (side, peer, leg, _) = holding(2, written).await;
    let offer = peer.expect("INVITE", &[]).await;
    peer.send(agreement(&peer, &offer).as_bytes()).await;
    side.dies().await;
    let heard = peer.so_far().await;
    assert!(!heard.iter().any(|message| message.starts_with("ACK")), "{heard:?}");
    (side, peer, leg, offer)
}

fn agreement(peer: &Peer, offer: &str) -> String {
    peer.agree(offer, "200 OK", &sdp(2, "recvonly"))
}

/// The peer agrees to an offer, and is told that this arrived.
async fn agreed(peer: &Peer, offer: &str) {
    peer.send(agreement(peer, offer).as_bytes()).await;
    let ack = peer.expect("ACK", &["INVITE"]).await;
    assert_eq!(number(&ack), number(offer));
}

#[tokio::test]
async fn an_offer_that_was_written_down_is_sent() {
    let (mut side, peer, leg, answer) = holding(1, true).await;
    side.dies().await;
    assert!(peer.so_far().await.is_empty());
    side.restart().await;
    let offer = peer.expect("INVITE", &[]).await;
    assert!(offer.contains("a=sendonly") && version(&offer) == version(&answer) + 1, "{offer}");
    agreed(&peer, &offer).await;
    hangs_up(&peer, &answer, 2).await;
    assert_eq!(side.engine.state(leg), None);
    side.stop().await;
}

#[tokio::test]
async fn an_offer_that_was_not_written_down_was_never_made() {
    let (mut side, peer, leg, answer) = holding(1, false).await;
    side.dies().await;
    side.restart().await;
    assert_eq!(side.engine.state(leg), Some(LegState::Up));
    hangs_up(&peer, &answer, 2).await;
    side.stop().await;
}

#[tokio::test]
async fn an_offer_that_was_only_written_down_is_made_by_the_heir() {
    let (side, mut peer, _, _) = holding(1, true).await;
    side.dies().await;
    assert!(peer.so_far().await.is_empty());
    let heir = heir_of(side).await;
    // an ACK for what never came is nothing to this peer
    let offer = peer.expect("INVITE", &["ACK"]).await;
    assert!(offer.contains("a=sendonly") && names(&offer, &heir), "{offer}");
    peer.follow(&heir);
    agreed(&peer, &offer).await;
    heir.stop().await;
}

#[tokio::test]
async fn an_offer_without_answer_is_repeated_with_the_same_bytes() {
    let (mut side, peer, leg, _, offer) = held().await;
    side.restart().await;
    assert_eq!(peer.hear().await, offer);
    agreed(&peer, &offer).await;
    assert_eq!(side.engine.state(leg), Some(LegState::Up));
    side.stop().await;
}

#[tokio::test]
async fn a_peer_that_answers_to_the_old_address_is_acknowledged_from_the_new_one() {
    let (side, mut peer, _, answer, offer) = held().await;
    let heir = heir_of(side).await;
    // its 200 for the old offer goes to the old address: it hears of nothing but this ACK
    peer.send(agreement(&peer, &offer).as_bytes()).await;
    let ack = peer.expect("ACK", &[]).await;
    assert_eq!((number(&ack), header(&ack, "To")), (number(&offer), header(&offer, "To")));
    let next = peer.expect("INVITE", &[]).await;
    assert_eq!((number(&next), version(&next)), (number(&offer) + 1, version(&offer) + 1));
    assert!(next.contains("a=sendonly") && names(&next, &heir), "{next}");
    peer.follow(&heir);
    agreed(&peer, &next).await;
    hangs_up(&peer, &answer, 2).await;
    heir.stop().await;
}

#[tokio::test]
async fn an_agreement_that_was_not_written_down_is_acknowledged_when_it_comes_again() {
    let (mut side, peer, _, offer) = dead_at_the_agreement(false).await;
    side.restart().await;
    assert_eq!(peer.hear().await, offer);
    agreed(&peer, &offer).await;
    side.stop().await;
}

#[tokio::test]
async fn an_agreement_that_was_written_down_is_acknowledged_from_the_journal() {
    let (mut side, peer, leg, offer) = dead_at_the_agreement(true).await;
    side.restart().await;
    for _ in 0..2 {
        peer.send(agreement(&peer, &offer).as_bytes()).await;
        let ack = peer.expect("ACK", &[]).await;
        assert_eq!((number(&ack), header(&ack, "To")), (number(&offer), header(&offer, "To")));
    }
    assert_eq!(side.engine.state(leg), Some(LegState::Up));
    side.stop().await;
}

#[tokio::test]
async fn an_agreement_is_acknowledged_by_the_heir_before_it_asks_anything() {
    for written in [false, true] {
        let (side, mut peer, _, offer) = dead_at_the_agreement(written).await;
        let heir = heir_of(side).await;
        // a peer whose 200 nobody acknowledges ends the call after 32 s
        let ack = peer.expect("ACK", &[]).await;
        assert_eq!((number(&ack), header(&ack, "To")), (number(&offer), header(&offer, "To")));
        let next = peer.expect("INVITE", &[]).await;
        assert!(number(&next) == number(&offer) + 1 && names(&next, &heir), "{next}");
        peer.follow(&heir);
        agreed(&peer, &next).await;
        heir.stop().await;
    }
}

#[tokio::test]
async fn a_repeated_offer_that_nobody_answers_ends_no_call() {
    let (mut side, peer, leg, answer, offer) = held().await;
    side.restart().await;
    assert_eq!(peer.hear().await, offer);
    peer.send(peer.agree(&offer, "408 Request Timeout", "").as_bytes()).await;
    peer.expect("ACK", &["INVITE"]).await;
    assert_eq!(side.engine.state(leg), Some(LegState::Up));
    hangs_up(&peer, &answer, 2).await;
    side.stop().await;
}

#[tokio::test]
async fn an_offer_that_waits_for_its_turn_is_made_by_the_heir() {
    let (mut side, peer) = pair().await;
    let (leg, _) = up(&mut side, &peer, "waits").await;
    side.tell(leg, Command::Hold(true)).await;
    let offer = peer.expect("INVITE", &[]).await;
    side.tell(leg, Command::Hold(false)).await;
    peer.send(peer.agree(&offer, "491 Request Pending", "").as_bytes()).await;
    side.journal.written(5).await;
    side.kill().await;
    peer.so_far().await;
    let heir = heir_of(side).await;
    let next = peer.expect("INVITE", &["ACK"]).await;
    assert!(next.contains("a=sendrecv") && names(&next, &heir), "{next}");
    heir.stop().await;
}

#[tokio::test]
async fn numbers_and_versions_go_on_after_a_restart_and_after_a_move() {
    let (mut side, mut peer) = pair().await;
    let (leg, answer) = up(&mut side, &peer, "numbers").await;
    side.tell(leg, Command::Hold(true)).await;
    let first = peer.expect("INVITE", &[]).await;
    agreed(&peer, &first).await;
    side.restart().await;
    side.tell(leg, Command::Hold(false)).await;
    let second = peer.expect("INVITE", &[]).await;
    agreed(&peer, &second).await;
    let heir = heir_of(side).await;
    let third = peer.expect("INVITE", &["ACK"]).await;
    peer.follow(&heir);
    agreed(&peer, &third).await;
    let offers = [&first, &second, &third];
    assert_eq!(offers.map(|offer| number(offer)), [1, 2, 3]);
    assert_eq!(offers.map(|offer| version(offer) - version(&answer)), [1, 2, 3]);
    // a peer's numbers may skip as many as it likes
    hangs_up(&peer, &answer, 99_900).await;
    heir.stop().await;
}
