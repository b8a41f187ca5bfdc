//! Digits, both ways.

use super::*;

fn digit(digit: char, duration_ms: u32) -> EventKind {
    EventKind::Digit { digit, duration_ms }
}

fn send(id: Uuid, digits: &str) -> MediaCommand {
    MediaCommand::Digits { id, digits: digits.to_owned(), duration_ms: 60, gap_ms: 40 }
}

#[tokio::test]
async fn each_key_is_told_once_with_its_duration() {
    let mut rig = Rig::start();
    let mut peer = rig.peer(Codec::Pcmu).await;
    for event in [1, 1, 10] {
        peer.press(event).await;
    }
    for key in ['1', '1', '*'] {
        assert_eq!(rig.event().await, (peer.leg, digit(key, 100)));
    }
    rig.media.shutdown();
}

#[tokio::test]
async fn a_key_whose_ends_are_lost_is_told_after_a_pause() {
    let mut rig = Rig::start();
    let mut peer = rig.peer(Codec::Pcmu).await;
    peer.send(DIGITS_TYPE, 9000, &[7, 0x0A, 0x01, 0x40]).await;
    assert_eq!(rig.event().await, (peer.leg, digit('7', 40)));
    rig.media.shutdown();
}

#[tokio::test]
async fn what_one_leg_sends_another_leg_reads() {
    let mut rig = Rig::start();
    let (first, second) = (rig.peer(Codec::Pcmu).await, rig.peer(Codec::Pcmu).await);
    rig.media.connect(first.leg, Remote { address: second.port(), ..first.remote() }).expect("an open leg");
    rig.media.connect(second.leg, Remote { address: first.port(), ..second.remote() }).expect("an open leg");
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    rig.tell(first.leg, send(one, "12"));
    rig.tell(first.leg, send(two, "#d"));
    let mut heard = Vec::new();
    let mut sent = Vec::new();
    while heard.len() < 4 || sent.len() < 2 {
        match rig.event().await {
            (leg, EventKind::DigitsSent { id }) if leg == first.leg => sent.push(id),
            (leg, kind) if leg == second.leg => heard.push(kind),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard, [digit('1', 60), digit('2', 60), digit('#', 60), digit('D', 60)]);
    assert_eq!(sent, [one, two]);
    rig.media.shutdown();
}

#[tokio::test]
async fn a_peer_without_events_gets_tones() {
    let mut rig = Rig::start();
    let peer = rig.peer(Codec::Pcmu).await;
    rig.media.connect(peer.leg, Remote { digits_type: None, ..peer.remote() }).expect("an open leg");
    let id = Uuid::new_v4();
    rig.tell(peer.leg, MediaCommand::Digits { id, digits: "5".to_owned(), duration_ms: 200, gap_ms: 0 });
    assert_eq!(rig.event().await, (peer.leg, EventKind::DigitsSent { id }));
    // The end is told after the two frames of pause, so all ten frames are there to be heard.
    let mut samples = peer.listen(10).await;
    while is_silent(&samples[..160]) {
        samples.drain(..160);
        samples.extend(peer.listen(1).await);
    }
    assert!(tone::level(&samples, 770) > -24.0 && tone::level(&samples, 1336) > -24.0);
    assert!(tone::level(&samples, 941) < -35.0);
    rig.media.shutdown();
}

#[tokio::test]
async fn digits_cross_a_bridge_and_are_told_once() {
    let mut rig = Rig::start();
    let (mut first, second) = (rig.peer(Codec::Pcmu).await, rig.peer(Codec::Pcmu).await);
    rig.media.connect(second.leg, Remote { digits_type: Some(96), ..second.remote() }).expect("an open leg");
    rig.join(&first, &second).await;
    first.press(3).await;
    assert_eq!(rig.event().await, (first.leg, digit('3', 100)));
    let mut events = Vec::new();
    while events.len() < 4 {
        let (header, payload) = second.hear().await;
        if header.payload_type == 96 {
            events.push((header.timestamp, payload));
        }
    }
    assert!(events.iter().all(|(timestamp, payload)| *timestamp == events[0].0 && payload[0] == 3));
    rig.media.shutdown();
}

#[tokio::test]
async fn too_many_digits_are_refused() {
    let mut rig = Rig::start();
    let peer = rig.peer(Codec::Pcmu).await;
    let accepted = (0..40).filter(|_| rig.media.command(peer.leg, send(Uuid::nil(), "123")).is_ok()).count();
    assert_eq!(accepted, 16);
    assert!(matches!(rig.event().await, (_, EventKind::DigitsSent { .. })));
    assert!(rig.media.command(peer.leg, send(Uuid::nil(), "1")).is_ok());
    assert!(rig.media.command(peer.leg, send(Uuid::nil(), "x")).is_err());
    rig.media.shutdown();
}
