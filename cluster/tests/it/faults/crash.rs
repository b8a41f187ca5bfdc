//! One of many calls crashes again and again, as by a bug: nobody else hears of it.

use protocol::ports::voice::{CAUSE_NORMAL, LegEvent, LegId};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep, timeout};
use voice::{Phone, PhoneEvent};

use super::crowd::{all_become, carrier, finish, place};
use crate::calls::{ended, hears, phone, realm, rings, sees};
use crate::market::Market;
use crate::platform::{PATIENCE, Platform, free_blocks};

/// Each is two calls of the platform, and both sides are heard after each crash.
const TALKS: usize = 10;
/// Calls that wait for a key.
const WAITING: usize = 180;
/// Crashes, each of another call.
const ROUNDS: usize = 100;
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
        for _ in 0..TALKS {
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
}

/// Nothing at all has happened to any call of these phones: no end, no hold, no new offer that was answered.
async fn nothing_happened(phones: [&Phone; 3]) {
    for phone in phones {
        // what was told by now
        while let Ok(event) = timeout(Duration::from_millis(20), phone.event()).await {
            let event = event.expect("it runs");
            let of_old =
                matches!(event, PhoneEvent::Call { event: LegEvent::Ringing | LegEvent::Answered, .. });
            assert!(of_old, "{event:?}");
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
    let first = free_blocks(3);
    let platform = Platform::with(|plan| plan.voice.rtp_ports = first..=first + 599).await;
    let market =
        Market::open(platform.api().with_key(&platform.operator().await), platform.api().clone()).await;
    let carrier = carrier(2).await;
    market.carrier(carrier.local().udp, 1).await;
    market.pay(10.0).await;
    let waiting = place(platform.api(), &carrier, WAITING).await;
    let crowd = Crowd::talks(&platform).await;
    let phones = [&crowd.alice, &crowd.bob, &carrier];
    nothing_happened(phones).await;
    let calls = all_become(platform.api(), "calls", |call| call["status"] == "progressing").await;
    assert_eq!(calls.len(), WAITING + 2 * TALKS);
    let of_crashes = calls.iter().step_by(calls.len() / ROUNDS);
    for call in of_crashes.map(|call| call["id"].as_str().unwrap()) {
        crash(&platform, call).await;
        for _ in 0..LISTENS {
            crowd.all_hear().await;
            sleep(Duration::from_millis(20)).await;
        }
    }
    nothing_happened(phones).await;
    assert_eq!(finish(&carrier, &waiting).await, WAITING, "flows that went on with a key");
    for (near, far) in &crowd.legs {
        crowd.alice.hangup(*near, CAUSE_NORMAL).await.unwrap();
        ended(&crowd.bob, *far).await;
    }
    let over = |call: &Value| call["status"] == "hangup";
    let calls = all_become(platform.api(), "calls", over).await;
    assert!(calls.iter().all(|call| call["hangup_reason"] == "normal"), "{calls:?}");
    platform.stop().await;
}
