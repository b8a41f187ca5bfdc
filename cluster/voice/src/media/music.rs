//! Music on hold without a file: a slow, quiet chord pattern, made once per codec and shared by all legs.

use std::f32::consts::{PI, TAU};
use std::sync::LazyLock;

use super::clock::{RATE, SAMPLES};
use super::codec::Codec;

/// Broken chords, in Hz: C, A minor, F, G.
const NOTES: [u16; 16] = [262, 330, 392, 523, 220, 262, 330, 440, 175, 220, 262, 349, 196, 247, 294, 392];
/// Each note lasts for half a second.
const NOTE: usize = RATE / 2;
/// Quiet enough to speak over: -26 dB below full scale.
const LOUDNESS: f32 = 1640.0;

static LOOPS: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let samples: Vec<i16> = (0..NOTES.len() * NOTE).map(sample).collect();
    Codec::ALL.map(|codec| codec.encode(&samples))
});

/// The frame that is heard at `tick`.
pub(super) fn frame(codec: Codec, tick: u64) -> &'static [u8] {
    let frames = LOOPS[codec as usize].as_chunks::<SAMPLES>().0;
    &frames[(tick % frames.len() as u64) as usize]
}

fn sample(index: usize) -> i16 {
    let (note, phase) = (NOTES[index / NOTE], index % NOTE);
    // Every note swells and fades, so that no two meet with a click.
    let swell = (PI * phase as f32 / NOTE as f32).sin();
    let wave = (TAU * f32::from(note) * phase as f32 / RATE as f32).sin();
    (wave * swell * LOUDNESS) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::tone::level;

    #[test]
    fn the_loop_is_quiet_music_and_starts_over() {
        let heard: Vec<i16> =
            (0..25).flat_map(|tick| frame(Codec::Pcmu, tick)).map(|byte| Codec::Pcmu.decode(*byte)).collect();
        let loudness = level(&heard, NOTES[0]);
        assert!((-35.0..-24.0).contains(&loudness), "{loudness}");
        assert_eq!(frame(Codec::Pcma, 3), frame(Codec::Pcma, 3 + 16 * 25));
    }
}
