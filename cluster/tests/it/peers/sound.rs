//! Tones as WAV files, and what a recording holds.

use std::f64::consts::PI;
use std::path::Path;

/// Samples a second of everything here: a telephone's.
pub(super) const RATE: u32 = 8_000;
const LOUD: f64 = 10_000.0;
/// The part that is looked at, in samples: 200 ms, so that frequencies 5 Hz apart are told apart.
const WINDOW: usize = 1_600;
const HEADER: usize = 44;

/// A tone as a WAV file: 16-bit PCM, mono.
pub(super) fn wav(frequency: u16, seconds: u32) -> Vec<u8> {
    let sample = |at: u32| (2.0 * PI * f64::from(frequency) * f64::from(at) / f64::from(RATE)).sin() * LOUD;
    let samples: Vec<u8> = (0..RATE * seconds).flat_map(|at| (sample(at) as i16).to_le_bytes()).collect();
    let length = samples.len() as u32;
    let mut wav = Vec::with_capacity(HEADER + samples.len());
    wav.extend(b"RIFF");
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(RATE.to_le_bytes());
    wav.extend((2 * RATE).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(length.to_le_bytes());
    wav.extend(samples);
    wav
}

/// Whether some part of a recording is this tone and hardly anything else.
pub(super) fn has_tone(recording: &Path, frequency: u16) -> bool {
    let bytes = std::fs::read(recording).unwrap_or_default();
    let samples: Vec<f64> = bytes
        .get(HEADER..)
        .unwrap_or_default()
        .chunks_exact(2)
        .map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])))
        .collect();
    samples.chunks_exact(WINDOW).any(|window| is_tone(window, frequency))
}

/// Half of the power or more is at the frequency (Goertzel), and it is no whisper.
fn is_tone(window: &[f64], frequency: u16) -> bool {
    let power: f64 = window.iter().map(|sample| sample * sample).sum();
    let factor = 2.0 * (2.0 * PI * f64::from(frequency) / f64::from(RATE)).cos();
    let (one, two) = window.iter().fold((0.0, 0.0), |(one, two), sample| (sample + factor * one - two, one));
    let found = one * one + two * two - factor * one * two;
    let share = 2.0 * found / (power * window.len() as f64);
    power / window.len() as f64 > 1e4 && share > 0.5
}

#[test]
fn a_tone_is_told_from_its_neighbours() {
    let folder = std::env::temp_dir().join(format!("branchline-it-{}.wav", uuid::Uuid::now_v7()));
    std::fs::write(&folder, wav(440, 1)).expect("a place for it");
    let found = [430, 440, 450, 1000].map(|frequency| has_tone(&folder, frequency));
    std::fs::remove_file(&folder).expect("it is there");
    assert_eq!(found, [false, true, false, false]);
}
