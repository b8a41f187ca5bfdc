//! Two engines call each other.

use std::net::Ipv4Addr;
use std::sync::Arc;

use protocol::ports::voice::{Command, EndedBy, LegEvent, LegState, Transport, VoiceEngine};

use voice::{MemoryJournal, Settings};

use crate::raw::Peer;
use crate::support::{Platform, Side, dial, loopback, talk};

async fn call_and_hang_up(transport: Transport, caller_ends: bool) {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let (out, inward) = talk(&mut a, &mut b, transport).await;
    assert_eq!([a.engine.state(out), b.engine.state(inward)], [Some(LegState::Up); 2]);
    let (one, other) =
        if caller_ends { ((&mut a, out), (&mut b, inward)) } else { ((&mut b, inward), (&mut a, out)) };
    one.0.hangup(one.1).await;
    let ends = [one.0.ended(one.1).await, other.0.ended(other.1).await];
    assert_eq!(ends, [(16, 200, EndedBy::Local), (16, 200, EndedBy::Remote)]);
    assert_eq!([a.engine.legs(), b.engine.legs()], [0, 0]);
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_call_over_udp_is_ended_by_its_caller() {
    call_and_hang_up(Transport::Udp, true).await;
}

#[tokio::test]
async fn a_call_over_udp_is_ended_by_its_callee() {
    call_and_hang_up(Transport::Udp, false).await;
}

#[tokio::test]
async fn a_call_over_tcp_is_ended_by_its_caller() {
    call_and_hang_up(Transport::Tcp, true).await;
}

#[tokio::test]
async fn a_call_over_tcp_is_ended_by_its_callee() {
    call_and_hang_up(Transport::Tcp, false).await;
}

#[tokio::test]
async fn a_caller_that_gives_up_cancels() {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let out = a.dial(dial(b.address(), Transport::Udp)).await;
    let inward = b.call().await.leg;
    b.tell(inward, Command::Ring).await;
    assert_eq!(a.event(out).await, LegEvent::Ringing);
    a.hangup(out).await;
    assert_eq!(a.ended(out).await, (16, 487, EndedBy::Local));
    assert_eq!(b.ended(inward).await, (16, 487, EndedBy::Remote));
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_busy_callee_is_reported_as_busy() {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    let out = a.dial(dial(b.address(), Transport::Udp)).await;
    let inward = b.call().await.leg;
    b.tell(inward, Command::Hangup { cause: 17 }).await;
    assert_eq!(b.ended(inward).await, (17, 486, EndedBy::Local));
    assert_eq!(a.ended(out).await, (17, 486, EndedBy::Remote));
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_names_its_flag() {
    let side = Side::open().await;
    let journal = Arc::new(MemoryJournal::default());
    let second = voice::start(side.settings.clone(), side.platform.clone(), journal).await;
    let error = second.err().unwrap();
    assert!(error.message.contains("--sip") && error.message.contains(&side.address().to_string()));
    side.stop().await;
}

#[tokio::test]
async fn an_engine_on_every_address_names_one_that_peers_can_use() {
    let everywhere = |settings: &mut Settings, _: &mut Platform| {
        settings.sip_udp.set_ip(Ipv4Addr::UNSPECIFIED.into());
        settings.sip_tcp = None;
        settings.rtp_bind = Ipv4Addr::UNSPECIFIED.into();
    };
    let side = Side::with(everywhere).await;
    let peer = Peer::new(loopback(side.address().port())).await;
    side.dial(dial(loopback(peer.port()), Transport::Udp)).await;
    let invite = peer.hear().await;
    assert!(invite.contains("c=IN IP4 127.0.0.1") && !invite.contains("0.0.0.0"), "{invite}");
    side.stop().await;
}
