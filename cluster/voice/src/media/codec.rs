//! G.711, sample by sample and between its two laws.
//!
//! mu-law and both decoders are audio-codec's; the A-law encoder is ours, because the crate's is not exact at
//! the borders of its intervals.

use std::sync::LazyLock;

use audio_codec::pcma::PcmaDecoder;
use audio_codec::pcmu::{PcmuDecoder, PcmuEncoder};
use audio_codec::{Decoder, Encoder};
use serde::{Deserialize, Serialize};

/// What a leg speaks: 8 kHz, mono, one byte a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Codec {
    Pcmu,
    Pcma,
}

impl Codec {
    /// Both, in the order we offer them.
    pub(crate) const ALL: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

    /// The encoding name of SDP (RFC 3551 6).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
        }
    }

    /// By SDP name, in any case.
    pub(crate) fn named(name: &str) -> Option<Codec> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// The static payload type (RFC 3551 6).
    pub(crate) const fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        }
    }

    /// The byte that is heard as nothing.
    pub(super) const fn silence(self) -> u8 {
        match self {
            Codec::Pcmu => 0xFF,
            Codec::Pcma => 0xD5,
        }
    }

    pub(super) fn decode(self, byte: u8) -> i16 {
        TABLES.linear[self as usize][usize::from(byte)]
    }

    pub(super) fn encode(self, samples: &[i16]) -> Vec<u8> {
        match self {
            Codec::Pcmu => PcmuEncoder::new().encode(samples),
            Codec::Pcma => samples.iter().map(|sample| a_law(*sample)).collect(),
        }
    }

    /// Turns bytes of this codec into bytes of `other`, in place.
    pub(super) fn transcode(self, other: Codec, bytes: &mut [u8]) {
        if self != other {
            let table = &TABLES.across[self as usize];
            bytes.iter_mut().for_each(|byte| *byte = table[usize::from(*byte)]);
        }
    }
}

struct Tables {
    linear: [Vec<i16>; 2],
    /// From each law to the other one.
    across: [Vec<u8>; 2],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let linear = [PcmuDecoder::new().decode(&all), PcmaDecoder::new().decode(&all)];
    let across = [Codec::Pcma.encode(&linear[0]), Codec::Pcmu.encode(&linear[1])];
    Tables { linear, across }
});

/// ITU-T G.711 table 1: the 13 most significant bits to 8 bits, even bits inverted.
fn a_law(sample: i16) -> u8 {
    let sample = sample >> 3;
    let (magnitude, mask) = if sample >= 0 { (sample, 0xD5) } else { (-sample - 1, 0x55) };
    let segment = (11 - (magnitude | 0x1F).leading_zeros()) as u8;
    let shift = segment.max(1);
    ((segment << 4) | ((magnitude >> shift) & 0x0F) as u8) ^ mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_decoding_and_encoding() {
        for codec in Codec::ALL {
            for byte in 0..=u8::MAX {
                let back = codec.encode(&[codec.decode(byte)])[0];
                // mu-law has two zeros.
                let expected = if codec == Codec::Pcmu && byte == 0x7F { 0xFF } else { byte };
                assert_eq!(back, expected, "{codec:?} {byte:#x}");
            }
        }
    }

    #[test]
    fn a_law_is_never_more_than_half_a_step_off() {
        for sample in i16::MIN..=i16::MAX {
            let exact = i32::from(sample);
            // ITU-T G.711 table 1 at 16 bits: steps of 16 up to 512, then doubled with every doubling.
            let step = 16 << (exact.abs().max(1).ilog2().saturating_sub(8));
            let coded = i32::from(Codec::Pcma.decode(a_law(sample)));
            assert!((coded - exact).abs() <= step / 2, "{sample}: {coded}");
        }
    }

    #[test]
    fn the_laws_convert_into_each_other_closely() {
        for (from, to) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
            for byte in 0..=u8::MAX {
                let mut coded = [byte];
                from.transcode(to, &mut coded);
                let (before, after) = (i32::from(from.decode(byte)), i32::from(to.decode(coded[0])));
                assert!(
                    (before - after).abs() <= 16 + before.abs() / 16,
                    "{from:?} {byte:#x}: {before} {after}"
                );
            }
            let mut silence = [from.silence()];
            from.transcode(to, &mut silence);
            assert!(to.decode(silence[0]).abs() <= 8);
        }
    }
}
