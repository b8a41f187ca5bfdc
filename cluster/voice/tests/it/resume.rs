//! A call outlives the engine that carried it.

use protocol::ports::voice::{Command, EndedBy, LegEvent, LegState, Transport, VoiceEngine};

use crate::raw::{Peer, header};
use crate::support::{Side, dial, talk};

#[tokio::test]
async fn a_call_goes_on_after_its_callee_came_back() {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let (out, inward) = talk(&mut a, &mut b, Transport::Udp).await;
    b.restart().await;
    assert_eq!(b.engine.state(inward), Some(LegState::Up));
    b.tell(inward, Command::Hold(true)).await;
    assert_eq!(a.event(out).await, LegEvent::Held(true));
    a.hangup(out).await;
    assert_eq!(b.ended(inward).await, (16, 200, EndedBy::Remote));
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_call_is_ended_by_a_caller_that_came_back() {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let (out, inward) = talk(&mut a, &mut b, Transport::Udp).await;
    a.restart().await;
    assert_eq!(a.engine.state(out), Some(LegState::Up));
    a.hangup(out).await;
    assert_eq!(b.ended(inward).await, (16, 200, EndedBy::Remote));
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_ringing_call_is_answered_by_an_engine_that_came_back() {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let out = a.dial(dial(b.address(), Transport::Udp)).await;
    let inward = b.call().await.leg;
    b.tell(inward, Command::Ring).await;
    assert_eq!(a.event(out).await, LegEvent::Ringing);
    b.restart().await;
    assert_eq!(b.engine.state(inward), Some(LegState::Ringing));
    b.tell(inward, Command::Answer).await;
    assert_eq!(a.event(out).await, LegEvent::Answered);
    assert_eq!(b.event(inward).await, LegEvent::Answered);
    assert!(!b.has_call());
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_ringing_call_is_cancelled_after_its_callee_came_back() {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let out = a.dial(dial(b.address(), Transport::Udp)).await;
    let inward = b.call().await.leg;
    b.tell(inward, Command::Ring).await;
    assert_eq!(a.event(out).await, LegEvent::Ringing);
    b.restart().await;
    a.hangup(out).await;
    assert_eq!(b.ended(inward).await, (16, 487, EndedBy::Remote));
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_bye_that_comes_again_after_a_restart_is_answered_again() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    peer.send(peer.invite("byetwice").as_bytes()).await;
    let leg = side.call().await.leg;
    side.tell(leg, Command::Answer).await;
    let answer = peer.verdict().await;
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    let bye = peer.inside("BYE", &answer, 2, "");
    peer.send(bye.as_bytes()).await;
    assert!(peer.verdict().await.starts_with("SIP/2.0 200"));
    side.restart().await;
    peer.send(bye.as_bytes()).await;
    assert!(peer.verdict().await.starts_with("SIP/2.0 200"));
    assert_eq!(side.engine.state(leg), None);
    side.stop().await;
}

#[tokio::test]
async fn an_invite_that_comes_late_after_a_restart_is_no_second_call() {
    let mut side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let invite = peer.invite("late");
    peer.send(invite.as_bytes()).await;
    let leg = side.call().await.leg;
    side.tell(leg, Command::Answer).await;
    let answer = peer.verdict().await;
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    side.restart().await;
    peer.send(invite.as_bytes()).await;
    loop {
        let verdict = peer.verdict().await;
        if verdict.starts_with("SIP/2.0 482") {
            break;
        }
        assert_eq!(header(&verdict, "To"), header(&answer, "To"), "only the old answer may come again");
    }
    assert!(!side.has_call());
    side.stop().await;
}
