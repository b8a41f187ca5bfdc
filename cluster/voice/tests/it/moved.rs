//! A call goes on with an engine at another address: its owner is gone, another one has its journal.

use std::time::Duration;

use protocol::ports::voice::{Command, EndedBy, LegEvent, LegState, Transport, VoiceEngine};
use tokio::time::Instant;

use crate::raw::{Peer, header, names};
use crate::scene::{heir_of, up};
use crate::support::{Side, dial, loopback, talk};

/// Long enough to have been said, if anybody would.
const SILENCE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_call_goes_on_after_its_callee_was_taken_over() {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let (out, inward) = talk(&mut a, &mut b, Transport::Udp).await;
    let mut heir = heir_of(b).await;
    assert_eq!(heir.engine.state(inward), Some(LegState::Up));
    heir.tell(inward, Command::Hold(true)).await;
    assert_eq!(a.event(out).await, LegEvent::Held(true));
    a.hangup(out).await;
    assert_eq!(heir.ended(inward).await, (16, 200, EndedBy::Remote));
    a.stop().await;
    heir.stop().await;
}

#[tokio::test]
async fn a_call_over_tcp_goes_on_after_its_callee_was_taken_over() {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let (out, inward) = talk(&mut a, &mut b, Transport::Tcp).await;
    let mut heir = heir_of(b).await;
    heir.tell(inward, Command::Hold(true)).await;
    assert_eq!(a.event(out).await, LegEvent::Held(true));
    a.hangup(out).await;
    assert_eq!(heir.ended(inward).await, (16, 200, EndedBy::Remote));
    a.stop().await;
    heir.stop().await;
}

#[tokio::test]
async fn a_call_goes_on_after_its_caller_was_taken_over() {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let (out, inward) = talk(&mut a, &mut b, Transport::Udp).await;
    let heir = heir_of(a).await;
    assert_eq!(heir.engine.state(out), Some(LegState::Up));
    heir.tell(out, Command::Hold(true)).await;
    assert_eq!(b.event(inward).await, LegEvent::Held(true));
    heir.hangup(out).await;
    assert_eq!(b.ended(inward).await, (16, 200, EndedBy::Remote));
    b.stop().await;
    heir.stop().await;
}

#[tokio::test]
async fn an_engine_that_comes_back_at_another_address_moves_its_peers() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let (leg, answer) = up(&mut side, &peer, "elsewhere").await;
    let elsewhere = Side::open().await;
    side.settings = elsewhere.settings.clone();
    elsewhere.stop().await;
    side.restart().await;
    let moved = peer.expect("INVITE", &[]).await;
    assert!(names(&moved, &side), "{moved}");
    assert_eq!(header(&moved, "Call-ID"), header(&answer, "Call-ID"));
    assert_eq!(side.engine.state(leg), Some(LegState::Up));
    side.stop().await;
}

#[tokio::test]
async fn a_ringing_call_is_answered_by_the_heir() {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let out = a.dial(dial(b.address(), Transport::Udp)).await;
    let inward = b.call().await.leg;
    b.tell(inward, Command::Ring).await;
    assert_eq!(a.event(out).await, LegEvent::Ringing);
    let mut heir = heir_of(b).await;
    assert_eq!(heir.engine.state(inward), Some(LegState::Ringing));
    heir.tell(inward, Command::Answer).await;
    assert_eq!(a.event(out).await, LegEvent::Answered);
    assert_eq!(heir.event(inward).await, LegEvent::Answered);
    a.hangup(out).await;
    assert_eq!(heir.ended(inward).await, (16, 200, EndedBy::Remote));
    a.stop().await;
    heir.stop().await;
}

#[tokio::test]
async fn a_call_whose_answer_would_go_elsewhere_is_cancelled() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let leg = side.dial(dial(loopback(peer.port()), Transport::Udp)).await;
    let invite = peer.expect("INVITE", &[]).await;
    peer.send(peer.respond(&invite, "180 Ringing", "b1", "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Ringing);
    let mut heir = heir_of(side).await;
    let cancel = peer.expect("CANCEL", &["INVITE"]).await;
    assert_eq!(header(&cancel, "Via"), header(&invite, "Via"), "it names what it cancels");
    assert_eq!(heir.ended(leg).await.2, EndedBy::Timeout);
    heir.stop().await;
}

#[tokio::test]
async fn a_bye_that_was_not_answered_is_sent_from_the_new_address() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let (leg, _) = up(&mut side, &peer, "bye").await;
    side.hangup(leg).await;
    let first = peer.expect("BYE", &[]).await;
    let heir = heir_of(side).await;
    let again = loop {
        let again = peer.expect("BYE", &[]).await;
        if header(&again, "Via") != header(&first, "Via") {
            break again;
        }
    };
    assert!(header(&again, "Via").contains(&heir.address().to_string()), "{again}");
    assert_eq!(heir.engine.state(leg), None);
    heir.stop().await;
}

#[tokio::test]
async fn an_engine_that_may_have_lost_its_calls_says_nothing_until_it_knows_better() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let (leg, answer) = up(&mut side, &peer, "mute").await;
    side.engine.trust(Instant::now());
    peer.send(peer.inside("OPTIONS", &answer, 2, "").as_bytes()).await;
    side.hangup(leg).await;
    assert_eq!(peer.hear_within(SILENCE).await, None);
    side.engine.trust(Instant::now() + Duration::from_secs(60));
    let bye = peer.expect("BYE", &["SIP/2.0"]).await;
    assert_eq!(header(&bye, "Call-ID"), "mute");
    side.stop().await;
}

#[tokio::test]
async fn what_the_stack_repeats_is_held_back_with_the_rest() {
    /// Longer than the pauses of a 200 that nobody acknowledges, at first (RFC 3261 17.2.1: 0.5 s, 1 s).
    const REPEATED: Duration = Duration::from_millis(1700);
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    peer.send(peer.invite("unheard").as_bytes()).await;
    let leg = side.call().await.leg;
    side.tell(leg, Command::Answer).await;
    let answer = peer.verdict().await;
    assert_eq!(peer.verdict().await, answer, "it is repeated");
    side.engine.trust(Instant::now());
    // one may be on its way
    peer.hear_within(SILENCE).await;
    assert_eq!(peer.hear_within(REPEATED).await, None);
    side.engine.trust(Instant::now() + Duration::from_secs(60));
    assert_eq!(peer.verdict().await, answer, "it goes on");
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    side.stop().await;
}
