//! One of many calls crashes again and again, as by a bug: nobody else hears of it.

use protocol::ports::voice::{CAUSE_NORMAL, LegEvent, LegId};
use tokio::time::{Duration, Instant, sleep, timeout};
use voice::{Phone, PhoneEvent};

use super::asked;
use crate::calls::{all_over, ended, hears, phone, realm, rings, sees};
use crate::platform::{PATIENCE, Platform};

/// As many as two cores carry in a debug build beside other tests: each is two calls of the platform, four legs with
/// audio, and all of them are heard after each crash. `BRANCHLINE_TALKS` says otherwise, up to what there are ports for,
/// and `BRANCHLINE_ROUNDS`.
const TALKS: usize = 10;
const MOST: usize = 50;
const ROUNDS: usize = 20;
const TONES: [u16; 2] = [440, 1000];
const AUDIBLE: f32 = -30.0;
/// How often the others are listened to after a crash.
const LISTENS: usize = 5;

struct Crowd {
    alice: Phone,
    bob: Phone,
    legs: Vec<(LegId, LegId)>,
}

impl Crowd {
    async fn talks(platform: &Platform) -> Crowd {
        let ((alice, _), (bob, _)) = (phone(platform, "100").await, phone(platform, "200").await);
        let mut legs = Vec::new();
        for _ in 0..asked("BRANCHLINE_TALKS").unwrap_or(TALKS).min(MOST) {
            let near = alice.call(&format!("sip:200@{}", realm(platform))).await.unwrap();
            let far = rings(&bob).await;
            bob.answer(far).await.unwrap();
            sees(&alice, near, LegEvent::Answered).await;
            alice.tone(near, TONES[0]).await.unwrap();
            bob.tone(far, TONES[1]).await.unwrap();
            legs.push((near, far));
        }
        let crowd = Crowd { alice, bob, legs };
        for (near, far) in &crowd.legs {
            hears(&crowd.bob, *far, TONES[0]).await;
            hears(&crowd.alice, *near, TONES[1]).await;
        }
        crowd
    }

    /// All hear each other right now: what is measured is the last half second.
    async fn all_hear(&self) {
        for (near, far) in &self.legs {
            let (there, here) =
                (self.bob.hears(*far, TONES[0]).await, self.alice.hears(*near, TONES[1]).await);
            let (there, here) = (there.unwrap(), here.unwrap());
            assert!(there > AUDIBLE && here > AUDIBLE, "{there} dB, {here} dB");
        }
    }

    /// Nothing at all has happened to any call: no end, no hold, no new offer that was answered.
    async fn nothing_happened(&self) {
        for (name, phone) in [("alice", &self.alice), ("bob", &self.bob)] {
            // what was told by now
            while let Ok(event) = timeout(Duration::from_millis(20), phone.event()).await {
                let event = event.expect("it runs");
                let of_old =
                    matches!(event, PhoneEvent::Call { event: LegEvent::Ringing | LegEvent::Answered, .. });
                assert!(of_old, "{name}: {event:?}");
            }
        }
    }
}

/// Crashes the actor of a call and waits for the next one.
async fn crash(platform: &Platform, call: &str) {
    let path = format!("call-manager/calls/{call}");
    let actor = platform.node.tree().find(&path).expect("it lives");
    actor.kill();
    let again = || platform.node.tree().find(&path).is_some_and(|new| new.get_id() != actor.get_id());
    let limit = Instant::now() + PATIENCE;
    while !again() {
        assert!(Instant::now() < limit, "never rebuilt");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_crashes_disturbs_no_other() {
    let platform = Platform::start().await;
    let crowd = Crowd::talks(&platform).await;
    crowd.nothing_happened().await;
    let count = 2 * crowd.legs.len();
    let (_, page) = platform.get("calls?page_size=100").await;
    let calls: Vec<&str> =
        page["result"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(calls.len(), count);
    for round in 0..asked("BRANCHLINE_ROUNDS").unwrap_or(ROUNDS) {
        crash(&platform, calls[round % calls.len()]).await;
        for _ in 0..LISTENS {
            crowd.all_hear().await;
            sleep(Duration::from_millis(20)).await;
        }
    }
    crowd.nothing_happened().await;
    for (near, far) in &crowd.legs {
        crowd.alice.hangup(*near, CAUSE_NORMAL).await.unwrap();
        ended(&crowd.bob, *far).await;
    }
    let calls = all_over(&platform, count).await;
    assert!(calls.iter().all(|call| call["hangup_reason"] == "normal"), "{calls:?}");
    platform.stop().await;
}
