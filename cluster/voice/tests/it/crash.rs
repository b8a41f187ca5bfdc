//! The process dies at each of its writes in turn, once with the write on disk and once without it. Whichever
//! it was, the call goes on with the next process and ends as both sides expect.

use std::time::Duration;

use protocol::ports::voice::{Command, LegId, LegState, Transport, VoiceEngine};

use crate::support::{SOON, Side, dial};

/// Between two looks at a state.
const POLL: Duration = Duration::from_millis(10);

/// Waits until a leg is in a state; `None`: over.
async fn is(side: &Side, leg: LegId, wanted: Option<LegState>) {
    let reached = async {
        while side.engine.state(leg) != wanted {
            tokio::time::sleep(POLL).await;
        }
    };
    let reached = tokio::time::timeout(SOON, reached).await;
    assert!(reached.is_ok(), "{:?} instead of {wanted:?}", side.engine.state(leg));
}

/// Tells an engine that may be dead.
async fn urge(side: &Side, leg: LegId, command: Command) {
    let _ = side.engine.command(leg, command).await;
}

async fn hang_up(side: &Side, leg: LegId) {
    urge(side, leg, Command::Hangup { cause: 16 }).await;
}

async fn dies_and_comes_back(side: &mut Side) {
    side.journal.death().await;
    side.restart().await;
}

async fn stop(a: Side, b: Side) {
    a.stop().await;
    b.stop().await;
}

/// The callee writes at the INVITE, at 180, at 200, at the ACK.
async fn callee_dies_at(write: usize, done: bool) {
    let (a, mut b) = (Side::open().await, Side::open().await);
    b.journal.die_at(write, done);
    let out = a.dial(dial(b.address(), Transport::Udp)).await;
    let inward = b.call().await.leg;
    urge(&b, inward, Command::Ring).await;
    urge(&b, inward, Command::Answer).await;
    dies_and_comes_back(&mut b).await;
    if b.engine.state(inward) == Some(LegState::Ringing) {
        urge(&b, inward, Command::Answer).await;
    }
    ends_well((a, out), (b, inward)).await;
}

/// The call is up on both sides, and ends on both when one hangs up.
async fn ends_well(one: (Side, LegId), mut other: (Side, LegId)) {
    is(&one.0, one.1, Some(LegState::Up)).await;
    is(&other.0, other.1, Some(LegState::Up)).await;
    hang_up(&one.0, one.1).await;
    is(&other.0, other.1, None).await;
    assert!(!other.0.has_call());
    stop(one.0, other.0).await;
}

#[tokio::test]
async fn a_callee_may_die_at_any_write_until_the_call_is_up() {
    for write in 1..=4 {
        callee_dies_at(write, true).await;
    }
    // Without its first write nothing was promised: the caller has heard nothing but 100.
    for write in 2..=4 {
        callee_dies_at(write, false).await;
    }
}

/// The caller writes at its INVITE and at the 200, before the ACK.
async fn caller_dies_at(write: usize, done: bool) {
    let (mut a, mut b) = (Side::open().await, Side::open().await);
    a.journal.die_at(write, done);
    let out = a.dial(dial(b.address(), Transport::Udp)).await;
    if write == 1 {
        dies_and_comes_back(&mut a).await;
    }
    let inward = b.call().await.leg;
    b.tell(inward, Command::Answer).await;
    if write > 1 {
        dies_and_comes_back(&mut a).await;
    }
    ends_well((b, inward), (a, out)).await;
}

#[tokio::test]
async fn a_caller_may_die_at_any_write_until_the_call_is_up() {
    caller_dies_at(1, true).await;
    caller_dies_at(2, true).await;
    caller_dies_at(2, false).await;
}

#[tokio::test]
async fn whoever_hangs_up_may_die_at_its_bye() {
    for done in [true, false] {
        let (mut a, mut b) = (Side::open().await, Side::open().await);
        let (out, inward) = crate::support::talk(&mut a, &mut b, Transport::Udp).await;
        a.journal.die_at(1, done);
        hang_up(&a, out).await;
        dies_and_comes_back(&mut a).await;
        assert_eq!(a.engine.state(out), if done { None } else { Some(LegState::Up) });
        hang_up(&a, out).await;
        is(&b, inward, None).await;
        stop(a, b).await;
    }
}

#[tokio::test]
async fn whoever_is_hung_up_on_may_die_at_that_bye() {
    for done in [true, false] {
        let (mut a, mut b) = (Side::open().await, Side::open().await);
        let (out, inward) = crate::support::talk(&mut a, &mut b, Transport::Udp).await;
        b.journal.die_at(1, done);
        hang_up(&a, out).await;
        dies_and_comes_back(&mut b).await;
        is(&b, inward, None).await;
        is(&a, out, None).await;
        stop(a, b).await;
    }
}
