//! Two legs in a bridge.

use protocol::ports::voice::Direction;

use super::*;

/// Both peers sing and listen in turns; gives what each heard.
async fn duet(first: &mut Peer, second: &mut Peer, frames: usize) -> [Vec<i16>; 2] {
    let mut heard = [Vec::new(), Vec::new()];
    for _ in 0..frames {
        first.sing(440).await;
        second.sing(1000).await;
        heard[0].extend(first.listen(1).await);
        heard[1].extend(second.listen(1).await);
    }
    heard
}

/// The last 500 ms.
fn end(samples: &[i16]) -> &[i16] {
    &samples[samples.len().saturating_sub(4000)..]
}

#[tokio::test]
async fn joined_legs_hear_each_other_in_either_codec() {
    for codecs in [[Codec::Pcmu, Codec::Pcmu], [Codec::Pcmu, Codec::Pcma]] {
        let mut rig = Rig::start();
        let (mut first, mut second) = (rig.peer(codecs[0]).await, rig.peer(codecs[1]).await);
        rig.join(&first, &second).await;
        let [to_first, to_second] = duet(&mut first, &mut second, 60).await;
        for (heard, frequency, other) in [(&to_first, 1000, 440), (&to_second, 440, 1000)] {
            let level = tone::level(end(heard), frequency);
            assert!((-15.0..-11.0).contains(&level), "{codecs:?} {frequency}: {level}");
            assert!(tone::level(end(heard), other) < -40.0);
        }
        assert!(rig.level(first.leg, 440).await > -15.0);
        rig.media.shutdown();
    }
}

#[tokio::test]
async fn the_stream_to_a_peer_never_breaks() {
    let mut rig = Rig::start();
    let (mut first, second) = (rig.peer(Codec::Pcmu).await, rig.peer(Codec::Pcmu).await);
    let mut headers = Vec::new();
    for _ in 0..5 {
        headers.push(second.hear().await.0);
    }
    rig.join(&first, &second).await;
    for _ in 0..20 {
        first.sing(440).await;
        headers.push(second.hear().await.0);
    }
    rig.tell(first.leg, MediaCommand::Leave);
    for _ in 0..10 {
        headers.push(second.hear().await.0);
    }
    for pair in headers.windows(2) {
        assert_eq!(pair[0].ssrc, pair[1].ssrc);
        assert_eq!(pair[0].seq.wrapping_add(1), pair[1].seq);
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(step >= 160 && step % 160 == 0, "{step}");
    }
    rig.media.shutdown();
}

#[tokio::test]
async fn a_third_leg_is_refused_until_one_leaves() {
    let mut rig = Rig::start();
    let (first, second, third) =
        (rig.peer(Codec::Pcmu).await, rig.peer(Codec::Pcmu).await, rig.peer(Codec::Pcmu).await);
    let bridge = rig.join(&first, &second).await;
    assert!(rig.media.command(third.leg, MediaCommand::Join { bridge }).is_err());
    rig.tell(first.leg, MediaCommand::Join { bridge });
    assert_eq!(rig.event().await, (first.leg, EventKind::Joined { bridge }));
    rig.tell(first.leg, MediaCommand::Leave);
    assert_eq!(rig.event().await, (first.leg, EventKind::Left { bridge }));
    rig.tell(third.leg, MediaCommand::Join { bridge });
    assert_eq!(rig.event().await, (third.leg, EventKind::Joined { bridge }));
    let other = Uuid::new_v4();
    rig.tell(second.leg, MediaCommand::Join { bridge: other });
    assert_eq!(rig.event().await, (second.leg, EventKind::Left { bridge }));
    assert_eq!(rig.event().await, (second.leg, EventKind::Joined { bridge: other }));
    rig.media.close(third.leg);
    rig.tell(first.leg, MediaCommand::Join { bridge });
    assert_eq!(rig.event().await, (first.leg, EventKind::Joined { bridge }));
    rig.media.shutdown();
}

#[tokio::test]
async fn mute_silence_and_music_stand_before_the_bridge() {
    let mut rig = Rig::start();
    let (mut first, mut second) = (rig.peer(Codec::Pcmu).await, rig.peer(Codec::Pcma).await);
    rig.join(&first, &second).await;
    for (leg, on, off) in [
        (first.leg, MediaCommand::Mute(Direction::In), MediaCommand::Unmute(Direction::In)),
        (second.leg, MediaCommand::Mute(Direction::Out), MediaCommand::Unmute(Direction::Both)),
        (second.leg, MediaCommand::Silence(true), MediaCommand::Silence(false)),
    ] {
        let name = format!("{on:?}");
        rig.tell(leg, on);
        rig.level(leg, 440).await;
        let [to_first, to_second] = duet(&mut first, &mut second, 40).await;
        assert!(is_silent(end(&to_second)), "{name}");
        assert!(!is_silent(end(&to_first)), "{name}");
        rig.tell(leg, off);
    }
    rig.tell(second.leg, MediaCommand::Music(true));
    rig.level(second.leg, 440).await;
    let [_, to_second] = duet(&mut first, &mut second, 60).await;
    assert!(!is_silent(end(&to_second)));
    assert!(tone::level(end(&to_second), 440) < -20.0);
    rig.media.shutdown();
}

#[tokio::test]
async fn a_held_peer_hears_nothing_and_the_other_hears_silence() {
    let mut rig = Rig::start();
    let (mut first, mut second) = (rig.peer(Codec::Pcmu).await, rig.peer(Codec::Pcmu).await);
    rig.join(&first, &second).await;
    let held = Remote { send: false, receive: false, ..first.remote() };
    rig.media.connect(first.leg, held).expect("an open leg");
    rig.level(first.leg, 440).await;
    first.sing(440).await;
    second.sing(1000).await;
    assert!(is_silent(end(&second.listen(30).await)));
    let heard = std::iter::from_fn(|| first.socket.try_recv(&mut [0; 2048]).ok()).count();
    assert!(heard < 20, "only what was sent before the hold: {heard}");
    rig.media.shutdown();
}
