//! Phones talk: sound both ways, keys, hold, and through the carrier.

use protocol::ports::voice::{LegEvent, LegId, Transport};
use voice::{Carrier, Far, Phone, PhoneEvent, Settings};

use crate::support::SOON;

const LOW: u16 = 440;
const HIGH: u16 = 880;
/// Decibels below full scale: a tone is far above it, anything else far below.
const AUDIBLE: f32 = -30.0;

async fn phone() -> Phone {
    Phone::start(Settings::default()).await.unwrap()
}

async fn next(phone: &Phone) -> PhoneEvent {
    tokio::time::timeout(SOON, phone.event()).await.expect("an event in time").unwrap()
}

async fn rings(phone: &Phone) -> LegId {
    match next(phone).await {
        PhoneEvent::Rings { leg, .. } => leg,
        other => panic!("expected a call, got {other:?}"),
    }
}

/// Waits for an event of a call, past others.
async fn until(phone: &Phone, leg: LegId, wanted: impl Fn(&LegEvent) -> bool) -> LegEvent {
    loop {
        if let PhoneEvent::Call { leg: other, event } = next(phone).await
            && other == leg
            && wanted(&event)
        {
            return event;
        }
    }
}

/// Polls what is heard until it is as wanted.
async fn hears(phone: &Phone, leg: LegId, frequency: u16, wanted: bool) {
    let heard = async {
        while (phone.hears(leg, frequency).await.unwrap() > AUDIBLE) != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, heard).await.expect("the tone in time");
}

async fn connect(a: &Phone, b: &Phone, uri: &str) -> (LegId, LegId) {
    let out = a.call(uri).await.unwrap();
    let inward = rings(b).await;
    b.ring(inward).await.unwrap();
    until(a, out, |event| *event == LegEvent::Ringing).await;
    b.answer(inward).await.unwrap();
    until(a, out, |event| *event == LegEvent::Answered).await;
    until(b, inward, |event| *event == LegEvent::Answered).await;
    (out, inward)
}

#[tokio::test]
async fn two_phones_hear_each_other_and_each_others_keys() {
    let (a, b) = (phone().await, phone().await);
    let (out, inward) = connect(&a, &b, &format!("sip:b@{}", b.local().udp)).await;
    a.tone(out, LOW).await.unwrap();
    b.tone(inward, HIGH).await.unwrap();
    hears(&b, inward, LOW, true).await;
    hears(&a, out, HIGH, true).await;
    hears(&a, out, LOW, false).await;
    let id = a.press(out, "5#").await.unwrap();
    for wanted in ['5', '#'] {
        let event = until(&b, inward, |event| matches!(event, LegEvent::Digit { .. })).await;
        assert!(matches!(event, LegEvent::Digit { digit, .. } if digit == wanted));
    }
    until(&a, out, |event| *event == LegEvent::DigitsSent { id }).await;
    b.hangup(inward, 16).await.unwrap();
    until(&a, out, |event| matches!(event, LegEvent::Ended { .. })).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_held_phone_is_told_and_silent_until_it_is_taken_back() {
    let (a, b) = (phone().await, phone().await);
    let (out, inward) = connect(&a, &b, &format!("sip:b@{}", b.local().udp)).await;
    b.tone(inward, HIGH).await.unwrap();
    hears(&a, out, HIGH, true).await;
    a.hold(out, true).await.unwrap();
    until(&b, inward, |event| *event == LegEvent::Held(true)).await;
    hears(&a, out, HIGH, false).await;
    a.hold(out, false).await.unwrap();
    until(&b, inward, |event| *event == LegEvent::Held(false)).await;
    hears(&a, out, HIGH, true).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn two_holds_at_once_are_both_done() {
    let (a, b) = (phone().await, phone().await);
    let (out, inward) = connect(&a, &b, &format!("sip:b@{}", b.local().udp)).await;
    a.hold(out, true).await.unwrap();
    b.hold(inward, true).await.unwrap();
    until(&a, out, |event| *event == LegEvent::Held(true)).await;
    until(&b, inward, |event| *event == LegEvent::Held(true)).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn the_carrier_connects_a_number_and_nothing_else() {
    let (a, b) = (phone().await, phone().await);
    let far = Far { address: b.local().udp, transport: Transport::Udp };
    let carrier = Carrier::start(Settings::default(), far).await.unwrap();
    let at = carrier.local().udp;
    let (out, inward) = connect(&a, &b, &format!("sip:+15551234567@{at}")).await;
    a.tone(out, LOW).await.unwrap();
    b.tone(inward, HIGH).await.unwrap();
    hears(&b, inward, LOW, true).await;
    hears(&a, out, HIGH, true).await;
    b.hangup(inward, 16).await.unwrap();
    until(&a, out, |event| matches!(event, LegEvent::Ended { cause: 16, .. })).await;
    let wrong = a.call(&format!("sip:somebody@{at}")).await.unwrap();
    until(&a, wrong, |event| matches!(event, LegEvent::Ended { status: 404, .. })).await;
    carrier.stop().await;
    a.stop().await;
    b.stop().await;
}
