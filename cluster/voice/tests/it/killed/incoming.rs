//! A call came in, and its process died before it was answered.

use protocol::ports::voice::{Command, EndedBy, LegEvent, LegId, LegState, VoiceEngine};

use crate::raw::{Peer, header, media_port, names};
use crate::scene::{heir_of, pair, ringing};
use crate::support::Side;

/// A call whose process died at its first write, as far as its peer knows.
async fn dead_at_the_invite(written: bool) -> (Side, Peer, LegId) {
    let (mut side, peer) = pair().await;
    side.journal.die_at(1, written);
    peer.send(peer.invite("first").as_bytes()).await;
    let leg = side.call().await.leg;
    side.dies().await;
    let heard = peer.so_far().await;
    assert!(heard.iter().all(|message| message.starts_with("SIP/2.0 100")), "{heard:?}");
    (side, peer, leg)
}

#[tokio::test]
async fn an_invite_that_was_not_written_down_is_a_new_call_when_it_comes_again() {
    let (mut side, peer, leg) = dead_at_the_invite(false).await;
    side.restart().await;
    assert_eq!(side.engine.state(leg), None);
    peer.send(peer.invite("first").as_bytes()).await;
    let again = side.call().await.leg;
    side.tell(again, Command::Answer).await;
    assert!(peer.verdict().await.starts_with("SIP/2.0 200"));
    side.stop().await;
}

#[tokio::test]
async fn an_invite_that_was_written_down_is_answered_once_whoever_repeats_it() {
    let (mut side, peer, leg) = dead_at_the_invite(true).await;
    side.restart().await;
    assert_eq!(side.engine.state(leg), Some(LegState::Ringing));
    peer.send(peer.invite("first").as_bytes()).await;
    side.tell(leg, Command::Answer).await;
    let answer = peer.verdict().await;
    assert!(answer.starts_with("SIP/2.0 200") && names(&answer, &side), "{answer}");
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    assert!(!side.has_call());
    side.stop().await;
}

#[tokio::test]
async fn an_invite_that_was_written_down_is_answered_by_the_heir() {
    let (side, mut peer, leg) = dead_at_the_invite(true).await;
    let mut heir = heir_of(side).await;
    heir.tell(leg, Command::Answer).await;
    let answer = peer.expect("SIP/2.0", &[]).await;
    assert!(answer.starts_with("SIP/2.0 200") && names(&answer, &heir), "{answer}");
    peer.follow(&heir);
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    assert_eq!(heir.event(leg).await, LegEvent::Answered);
    heir.stop().await;
}

#[tokio::test]
async fn a_call_that_rang_is_answered_with_the_tag_that_rang() {
    let (mut side, peer) = pair().await;
    let (leg, rang) = ringing(&mut side, &peer, "rang").await;
    side.restart().await;
    side.tell(leg, Command::Answer).await;
    let answer = peer.expect("SIP/2.0", &[]).await;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert_eq!(header(&answer, "To"), header(&rang, "To"));
    assert_eq!(header(&answer, "Contact"), header(&rang, "Contact"));
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    side.stop().await;
}

#[tokio::test]
async fn a_call_that_rang_is_answered_anew_and_nothing_is_asked_before() {
    let (mut side, mut peer) = pair().await;
    let (leg, rang) = ringing(&mut side, &peer, "anew").await;
    let mut heir = heir_of(side).await;
    heir.tell(leg, Command::Answer).await;
    let answer = peer.expect("SIP/2.0", &[]).await;
    assert!(answer.starts_with("SIP/2.0 200") && names(&answer, &heir), "{answer}");
    assert_eq!(header(&answer, "To"), header(&rang, "To"));
    assert!(heir.settings.rtp_ports.contains(&media_port(&answer)), "{answer}");
    peer.follow(&heir);
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    assert_eq!(heir.event(leg).await, LegEvent::Answered);
    // and nothing after it: the peer has all that it needs
    peer.send(peer.inside("BYE", &answer, 2, "").as_bytes()).await;
    peer.expect("SIP/2.0 200", &[]).await;
    assert_eq!(heir.ended(leg).await, (16, 200, EndedBy::Remote));
    heir.stop().await;
}

#[tokio::test]
async fn a_cancel_that_comes_before_the_journal_is_read_finds_its_call() {
    let (mut side, peer) = pair().await;
    let (leg, rang) = ringing(&mut side, &peer, "cancelled").await;
    side.kill().await;
    let cancel = peer.request("CANCEL", "cancelled", "", "").replace("cancelledCANCEL", "cancelledINVITE");
    let journal = side.journal.clone();
    let early = journal.before_it_is_read(peer.send(cancel.as_bytes()));
    tokio::join!(early, side.restart());
    for (status, method) in [("SIP/2.0 200", "1 CANCEL"), ("SIP/2.0 487", "1 INVITE")] {
        let answer = peer.hear().await;
        assert!(answer.starts_with(status) && header(&answer, "CSeq") == method, "{answer}");
        assert_eq!(header(&answer, "Call-ID"), header(&rang, "Call-ID"));
    }
    assert_eq!(side.ended(leg).await, (16, 487, EndedBy::Remote));
    side.stop().await;
}

/// A call that was refused; its process died before the refusal was sent.
async fn dead_at_the_refusal() -> (Side, Peer, LegId) {
    let (mut side, peer) = pair().await;
    let (leg, _) = ringing(&mut side, &peer, "refused").await;
    side.journal.die_at(1, true);
    side.tell(leg, Command::Hangup { cause: 17 }).await;
    side.dies().await;
    assert!(peer.so_far().await.is_empty());
    (side, peer, leg)
}

#[tokio::test]
async fn a_refusal_that_was_written_down_is_sent() {
    let (mut side, peer, leg) = dead_at_the_refusal().await;
    side.restart().await;
    let refusal = peer.verdict().await;
    assert!(refusal.starts_with("SIP/2.0 486"), "{refusal}");
    assert_eq!(side.engine.state(leg), None);
    side.stop().await;
}

#[tokio::test]
async fn a_refusal_that_was_written_down_is_sent_by_the_heir() {
    let (side, peer, leg) = dead_at_the_refusal().await;
    let heir = heir_of(side).await;
    let refusal = peer.verdict().await;
    assert!(refusal.starts_with("SIP/2.0 486"), "{refusal}");
    assert_eq!(heir.engine.state(leg), None);
    heir.stop().await;
}
