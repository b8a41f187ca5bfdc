//! WAV files as the ports promise them: 16-bit PCM, mono, 8 to 48 kHz.
//!
//! Engines that stream write sizes that are not true (0, or 2 GB); what counts is what is there.

use bytes::{BufMut, Bytes, BytesMut};
use protocol::{Error, Result};

const HEADER: usize = 44;

/// A file of these samples.
pub(super) fn encode(rate: u32, samples: &[i16]) -> Bytes {
    let length = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut file = BytesMut::with_capacity(HEADER + samples.len() * 2);
    file.put_slice(b"RIFF");
    file.put_u32_le(length.saturating_add(36));
    file.put_slice(b"WAVEfmt ");
    file.put_u32_le(16);
    file.put_u16_le(1); // PCM
    file.put_u16_le(1); // mono
    file.put_u32_le(rate);
    file.put_u32_le(rate * 2);
    file.put_u16_le(2);
    file.put_u16_le(16);
    file.put_slice(b"data");
    file.put_u32_le(length);
    for sample in samples {
        file.put_i16_le(*sample);
    }
    file.freeze()
}

/// The audio in a plain form: a header of 44 bytes with true sizes. Fails for anything but 16-bit PCM, mono,
/// 8 to 48 kHz, with at least one sample.
pub(super) fn check(file: &[u8]) -> Result<Bytes> {
    let bad = |what: &str| Error::unavailable(format!("the speech engine gave {what}"));
    if file.get(..4) != Some(b"RIFF") || file.get(8..12) != Some(b"WAVE") {
        return Err(bad("no WAV file"));
    }
    let (mut at, mut rate) = (12, None);
    while let (Some(name), Some(length)) = (file.get(at..at + 4), number(file, at + 4)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let end = at.saturating_add(8).saturating_add(length).min(file.len());
        let body = &file[at + 8..end];
        match (name, rate) {
            (b"fmt ", _) => {
                rate = Some(format(body).ok_or_else(|| bad("audio that is not 16-bit mono PCM"))?)
            }
            (b"data", Some(rate)) if body.len() >= 2 => return Ok(encode(rate, &samples(body))),
            _ => {}
        }
        at = end + (length & 1);
    }
    Err(bad("a WAV file without audio"))
}

fn number(file: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?))
}

/// The rate of 16-bit PCM, mono, between 8 and 48 kHz.
fn format(body: &[u8]) -> Option<u32> {
    let rate = number(body, 4)?;
    let plain = body.get(..4) == Some(&[1, 0, 1, 0]) && body.get(14..16) == Some(&[16, 0]);
    (plain && (8_000..=48_000).contains(&rate)).then_some(rate)
}

fn samples(body: &[u8]) -> Vec<i16> {
    let (pairs, _) = body.as_chunks::<2>();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_back() {
        let file = encode(16_000, &[0, 1, -1, i16::MAX]);
        assert_eq!(check(&file).expect("a WAV file"), file);
    }

    #[test]
    fn sizes_that_are_not_true_are_corrected() {
        let file = encode(8_000, &[1, 2, 3]);
        let mut streamed = file.to_vec();
        streamed[4..8].copy_from_slice(&0x7fff_f000_u32.to_le_bytes());
        streamed[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(check(&streamed).expect("a WAV file"), file);
    }

    #[test]
    fn other_chunks_are_passed_over() {
        let file = encode(8_000, &[1, 2, 3]);
        let odd = [&file[..36], b"LIST\x03\0\0\0abc\0", &file[36..]].concat();
        assert_eq!(check(&odd).expect("a WAV file"), file);
    }

    #[test]
    fn what_is_no_telephone_audio_is_refused() {
        let file = encode(8_000, &[1, 2, 3]);
        let with = |at: usize, byte: u8| {
            let mut changed = file.to_vec();
            changed[at] = byte;
            changed
        };
        for bad in [
            &b""[..],
            b"ID3",
            &file[..43],
            &with(20, 3),
            &with(22, 2),
            &with(34, 8),
            &with(26, 9),
            &encode(8_000, &[]),
        ] {
            assert!(check(bad).is_err());
        }
        for length in 0..file.len() {
            let _ = check(&file[..length]);
        }
    }
}
