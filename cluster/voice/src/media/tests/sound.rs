//! What a peer hears on command.

use protocol::ports::voice::{Direction, Sound, Tone};

use super::*;

fn tone_of(total_ms: u32) -> Sound {
    Sound::Tone(Tone { frequencies: vec![440], on_ms: 10_000, off_ms: 0, total_ms })
}

fn play(id: Uuid, total_ms: u32) -> MediaCommand {
    MediaCommand::Play { id, sounds: vec![tone_of(total_ms)] }
}

#[tokio::test]
async fn a_leg_with_nothing_to_say_sends_silence_every_20_ms() {
    let rig = Rig::start();
    for codec in Codec::ALL {
        let peer = rig.peer(codec).await;
        let start = std::time::Instant::now();
        assert!(is_silent(&peer.listen(50).await));
        assert!(start.elapsed() >= Duration::from_millis(850), "{:?}", start.elapsed());
    }
    rig.media.shutdown();
}

#[tokio::test]
async fn a_sound_has_its_length_in_packets_and_its_end_is_told() {
    let mut rig = Rig::start();
    let peer = rig.peer(Codec::Pcma).await;
    let id = Uuid::new_v4();
    rig.tell(peer.leg, MediaCommand::Play { id, sounds: vec![tone_of(130), tone_of(270)] });
    assert_eq!(rig.event().await, (peer.leg, EventKind::PlayFinished { id }));
    let mut frames = Vec::new();
    while !(frames.len() > 20 && frames.last() == Some(&true)) {
        frames.push(is_silent(&peer.listen(1).await));
    }
    let audible = frames.iter().skip_while(|silent| **silent).take_while(|silent| !**silent).count();
    assert_eq!(audible, 20);
    rig.media.shutdown();
}

#[tokio::test]
async fn a_sound_is_replaced_and_stopped() {
    let mut rig = Rig::start();
    let peer = rig.peer(Codec::Pcmu).await;
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    rig.tell(peer.leg, play(first, 0));
    rig.tell(peer.leg, play(second, 0));
    assert_eq!(rig.event().await, (peer.leg, EventKind::PlayFinished { id: first }));
    rig.tell(peer.leg, MediaCommand::Stop);
    assert_eq!(rig.event().await, (peer.leg, EventKind::PlayFinished { id: second }));
    rig.tell(peer.leg, MediaCommand::Stop);
    rig.tell(peer.leg, play(first, 20));
    assert_eq!(rig.event().await, (peer.leg, EventKind::PlayFinished { id: first }));
    rig.media.shutdown();
}

#[tokio::test]
async fn a_sound_waits_for_the_peer_and_runs_on_unheard() {
    let mut rig = Rig::start();
    let peer = rig.peer(Codec::Pcmu).await;
    let (early, muted) = (Uuid::new_v4(), Uuid::new_v4());
    let leg = Uuid::new_v4();
    rig.media.open(leg, None).await.expect("a free port");
    rig.tell(leg, play(early, 20));
    rig.tell(peer.leg, MediaCommand::Mute(Direction::Out));
    rig.tell(peer.leg, play(muted, 100));
    assert_eq!(rig.event().await, (peer.leg, EventKind::PlayFinished { id: muted }));
    assert!(is_silent(&peer.listen(6).await));
    rig.media.connect(leg, peer.remote()).expect("an open leg");
    assert_eq!(rig.event().await, (leg, EventKind::PlayFinished { id: early }));
    rig.media.shutdown();
}

#[tokio::test]
async fn a_sound_that_cannot_be_played_is_refused() {
    let rig = Rig::start();
    let peer = rig.peer(Codec::Pcmu).await;
    let sounds = vec![Sound::Wav(b"RIFF".to_vec().into())];
    assert!(rig.media.command(peer.leg, MediaCommand::Play { id: Uuid::nil(), sounds }).is_err());
    rig.media.shutdown();
}
