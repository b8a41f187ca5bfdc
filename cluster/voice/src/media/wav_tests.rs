//! WAV files as hound writes them, as we write them by hand where it cannot, and broken ones.

use std::io::Cursor;

use hound::{SampleFormat, WavSpec, WavWriter};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::media::tone::level;

/// One second of a 440 Hz sine in every channel.
fn written(rate: u32, channels: u16, bits: u16) -> Bytes {
    let spec =
        WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: SampleFormat::Int };
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).expect("a valid format");
    let loudness = f32::from(i16::MAX >> (16 - bits)) * 0.5;
    for index in 0..rate {
        let wave = (std::f32::consts::TAU * 440.0 * index as f32 / rate as f32).sin();
        for _ in 0..channels {
            writer.write_sample((wave * loudness) as i16).expect("memory takes it");
        }
    }
    writer.finalize().expect("memory takes it");
    file.into_inner().into()
}

fn by_hand(tag: u16, bits: u16, samples: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
    file.extend(tag.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(8000u32.to_le_bytes());
    file.extend(8000u32.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((samples.len() as u32).to_le_bytes());
    file.extend(samples);
    file
}

fn heard(file: &Bytes) -> Vec<i16> {
    let mut wav = Wav::open(file).expect("a valid file");
    let mut samples = vec![0; RATE * 2];
    let count = wav.fill(&mut samples);
    samples.truncate(count);
    samples
}

#[test]
fn every_rate_width_and_channel_count_sounds_the_same() {
    for (rate, channels, bits) in [
        (8000, 1, 16),
        (8000, 2, 8),
        (11_025, 1, 8),
        (16_000, 2, 16),
        (22_050, 1, 16),
        (44_100, 2, 16),
        (48_000, 1, 16),
    ] {
        let samples = heard(&written(rate, channels, bits));
        assert!(samples.len().abs_diff(RATE) <= 2, "{rate} {channels} {bits}: {}", samples.len());
        let loudness = level(&samples, 440);
        assert!((loudness + 6.0).abs() < 0.5, "{rate} {channels} {bits}: {loudness}");
        assert!(level(&samples, 1000) < -40.0);
    }
}

#[test]
fn both_laws_are_decoded() {
    for (tag, codec) in [(MU_LAW, Codec::Pcmu), (A_LAW, Codec::Pcma)] {
        let bytes: Vec<u8> = (0..=255).collect();
        let expected: Vec<i16> = bytes.iter().map(|byte| codec.decode(*byte)).collect();
        assert_eq!(heard(&by_hand(tag, 8, &bytes).into()), expected);
    }
}

#[test]
fn a_streamed_file_with_a_false_length_plays_what_is_there() {
    let mut file = by_hand(PCM, 16, &[1, 0, 2, 0, 3]);
    let length = file.len() - 5 - 4;
    file[length..length + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(heard(&file.into()), [1, 2]);
}

#[test]
fn other_encodings_and_lengths_are_refused() {
    let too_long = vec![0; (MAX_SECONDS * RATE + 1) * 2];
    for file in [
        by_hand(PCM, 24, &[0; 6]),
        by_hand(3, 32, &[0; 8]),
        by_hand(PCM, 16, &too_long),
        b"RIFF\0\0\0\0WAVE".to_vec(),
        b"ID3".to_vec(),
        Vec::new(),
    ] {
        assert!(Wav::open(&file.into()).is_err());
    }
}

#[test]
fn no_file_makes_it_panic() {
    let mut random = StdRng::seed_from_u64(8000);
    let good = by_hand(PCM, 16, &[0; 64]);
    for _ in 0..20_000 {
        let mut file = good.clone();
        for _ in 0..random.random_range(1..6) {
            let place = random.random_range(0..file.len());
            file[place] = random.random();
        }
        file.truncate(random.random_range(0..=good.len()));
        if let Ok(mut wav) = Wav::open(&file.into()) {
            assert!(wav.fill(&mut [0; 160]) <= 160);
        }
    }
}
