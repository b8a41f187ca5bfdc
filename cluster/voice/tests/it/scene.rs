//! How a call with a bare peer comes to where a test begins, and how another engine comes to have it.

use protocol::ports::voice::{Command, LegEvent, LegId, Transport, VoiceEngine};
use voice::Settings;

use crate::raw::{Peer, header};
use crate::support::{Side, dial, loopback};

/// Writes of a leg that was called until it is up: INVITE, 200, ACK.
const UP: usize = 3;
/// Two ranges of RTP ports so far from each other share none, and above the second number the other one is below.
const APART: u16 = 2_000;
const ASIDE: u16 = 25_000;

/// An engine with a peer that has not said anything yet.
pub(crate) async fn pair() -> (Side, Peer) {
    let side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    (side, peer)
}

/// Ends `dead`, whose streams close with it, and gives what it had to an engine that runs already.
pub(crate) async fn heir_of(dead: Side) -> Side {
    let heir = Side::with(|settings, _| move_away(settings, &dead.settings)).await;
    dead.kill().await;
    let Side { engine, journal, .. } = dead;
    drop(engine);
    heir.journal.take_from(&journal).await;
    heir.engine.resume().await.unwrap();
    heir
}

/// No port of the dead, which may be free again: with its SIP port nothing has moved, and with its RTP port a
/// description stays the same.
fn move_away(settings: &mut Settings, dead: &Settings) {
    if settings.sip_udp == dead.sip_udp {
        settings.sip_udp.set_port(dead.sip_udp.port() + 1);
        settings.sip_tcp = Some(settings.sip_udp);
    }
    let taken = *dead.rtp_ports.start();
    let first = if taken > ASIDE { taken - APART } else { taken + APART };
    settings.rtp_ports = first..=first + 998;
}

/// A call that a bare peer placed, up; its leg and the 200.
pub(crate) async fn up(side: &mut Side, peer: &Peer, call: &str) -> (LegId, String) {
    let (leg, answer) = answered(side, peer, call).await;
    peer.send(peer.inside("ACK", &answer, 1, "").as_bytes()).await;
    assert_eq!(side.event(leg).await, LegEvent::Answered);
    side.journal.written(UP).await;
    (leg, answer)
}

/// As `up`, before the ACK.
pub(crate) async fn answered(side: &mut Side, peer: &Peer, call: &str) -> (LegId, String) {
    peer.send(peer.invite(call).as_bytes()).await;
    let leg = side.call().await.leg;
    side.tell(leg, Command::Answer).await;
    let answer = peer.verdict().await;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    (leg, answer)
}

/// As `up`, once it rings; its leg and the 180.
pub(crate) async fn ringing(side: &mut Side, peer: &Peer, call: &str) -> (LegId, String) {
    peer.send(peer.invite(call).as_bytes()).await;
    let leg = side.call().await.leg;
    side.tell(leg, Command::Ring).await;
    (leg, peer.expect("SIP/2.0 180", &["SIP/2.0 100"]).await)
}

/// Calls the peer.
pub(crate) async fn call(side: &Side, peer: &Peer) -> LegId {
    side.dial(dial(loopback(peer.port()), Transport::Udp)).await
}

/// A call to a bare peer, as far as its INVITE.
pub(crate) async fn calling() -> (Side, Peer, LegId, String) {
    let (side, peer) = pair().await;
    let leg = call(&side, &peer).await;
    let invite = peer.hear().await;
    assert!(invite.starts_with("INVITE "), "{invite}");
    (side, peer, leg, invite)
}

/// The peer hangs up, and the engine agrees; what it has repeated before may still be on its way.
pub(crate) async fn hangs_up(peer: &Peer, dialog: &str, cseq: u32) {
    peer.send(peer.inside("BYE", dialog, cseq, "").as_bytes()).await;
    loop {
        let answer = peer.skip_to("SIP/2.0").await;
        if header(&answer, "CSeq").ends_with("BYE") {
            assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
            return;
        }
    }
}
