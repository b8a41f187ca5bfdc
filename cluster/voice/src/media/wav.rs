//! A WAV file as 8 kHz mono, decoded while it is played: a long prompt costs its bytes and nothing more.
//!
//! The container is read here because hound knows neither A-law nor mu-law.

use std::collections::VecDeque;

use audio_codec::BoxedResampler;
use bytes::Bytes;
use protocol::{Error, Result};

use super::clock::RATE;
use super::codec::Codec;

/// The longest sound, in seconds. A file that says more is more likely broken or hostile than meant.
const MAX_SECONDS: usize = 600;
/// Input frames that are decoded at once: 5 to 32 ms.
const BLOCK: usize = 256;

const PCM: u16 = 1;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
/// The real format is in the first two bytes of the sub-format's id.
const EXTENSIBLE: u16 = 0xFFFE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Unsigned8,
    Signed16,
    Law(Codec),
}

/// An open file, at its position.
pub(super) struct Wav {
    samples: Bytes,
    form: Form,
    channels: usize,
    resampler: Option<BoxedResampler>,
    ready: VecDeque<i16>,
}

impl Wav {
    /// Reads the header only.
    ///
    /// # Errors
    /// `InvalidArgument` for anything but 8 or 16 bit PCM, A-law or mu-law, mono or stereo, 8 to 48 kHz, at
    /// most 10 minutes.
    pub(super) fn open(file: &Bytes) -> Result<Wav> {
        let (format, samples) = chunks(file).ok_or_else(|| Error::invalid("sound: not a WAV file"))?;
        let form = format.form().ok_or_else(|| Error::invalid("sound: an unknown WAV encoding"))?;
        let (channels, rate) = (usize::from(format.channels), format.rate as usize);
        if !(1..=2).contains(&channels) || !(8000..=48_000).contains(&rate) {
            return Err(Error::invalid("sound: mono or stereo with 8 to 48 kHz is played"));
        }
        if samples.len() / (form.width() * channels) > rate * MAX_SECONDS {
            return Err(Error::invalid(format!("sound: longer than {MAX_SECONDS} seconds")));
        }
        let resampler =
            if rate == RATE { None } else { Some(BoxedResampler::new(rate, RATE).map_err(Error::internal)?) };
        Ok(Wav { samples, form, channels, resampler, ready: VecDeque::new() })
    }

    /// Writes the next samples and says how many; fewer than asked for is the end.
    pub(super) fn fill(&mut self, out: &mut [i16]) -> usize {
        while self.ready.len() < out.len() && self.decode() {}
        let count = self.ready.len().min(out.len());
        out.iter_mut().zip(self.ready.drain(..count)).for_each(|(slot, sample)| *slot = sample);
        count
    }

    /// Decodes a block; false at the end. A cut last frame is left out.
    fn decode(&mut self) -> bool {
        let frame = self.form.width() * self.channels;
        let length = (self.samples.len() / frame).min(BLOCK) * frame;
        let mono: Vec<i16> =
            self.samples.split_to(length).chunks_exact(frame).map(|frame| self.form.mix(frame)).collect();
        match &mut self.resampler {
            Some(resampler) => self.ready.extend(resampler.resample(&mono)),
            None => self.ready.extend(&mono),
        }
        length > 0
    }
}

impl Form {
    const fn width(self) -> usize {
        match self {
            Form::Signed16 => 2,
            Form::Unsigned8 | Form::Law(_) => 1,
        }
    }

    /// The mean of a frame's channels.
    fn mix(self, frame: &[u8]) -> i16 {
        let sample = |bytes: &[u8]| match (self, bytes) {
            (Form::Signed16, &[low, high]) => i16::from_le_bytes([low, high]),
            (Form::Unsigned8, &[byte]) => (i16::from(byte) - 128) << 8,
            (Form::Law(codec), &[byte]) => codec.decode(byte),
            _ => 0,
        };
        let channels = frame.chunks_exact(self.width());
        let count = channels.len().max(1) as i32;
        (channels.map(|bytes| i32::from(sample(bytes))).sum::<i32>() / count) as i16
    }
}

struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

impl Format {
    /// The fmt chunk.
    fn parse(chunk: &[u8]) -> Option<Format> {
        let half = |at: usize| Some(u16::from_le_bytes(*chunk.get(at..)?.first_chunk()?));
        let rate = u32::from_le_bytes(*chunk.get(4..)?.first_chunk()?);
        let tag = match half(0)? {
            EXTENSIBLE => half(24)?,
            tag => tag,
        };
        Some(Format { tag, channels: half(2)?, rate, bits: half(14)? })
    }

    fn form(&self) -> Option<Form> {
        match (self.tag, self.bits) {
            (PCM, 8) => Some(Form::Unsigned8),
            (PCM, 16) => Some(Form::Signed16),
            (A_LAW, 8) => Some(Form::Law(Codec::Pcma)),
            (MU_LAW, 8) => Some(Form::Law(Codec::Pcmu)),
            _ => None,
        }
    }
}

/// The format and the samples of a RIFF file. Its own length field is not believed: streams leave it empty.
fn chunks(file: &Bytes) -> Option<(Format, Bytes)> {
    let header = file.get(..12)?;
    if &header[..4] != b"RIFF" || &header[8..] != b"WAVE" {
        return None;
    }
    let (mut at, mut format) = (12, None);
    loop {
        let (name, length) = file.get(at..)?.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length.first_chunk()?) as usize;
        let begin = at + 8;
        let end = begin.saturating_add(length).min(file.len());
        match name {
            b"fmt " => format = Format::parse(&file[begin..end]),
            b"data" => return Some((format?, file.slice(begin..end))),
            _ => {}
        }
        // Chunks start at even places.
        at = end + length % 2;
    }
}

#[cfg(test)]
#[path = "wav_tests.rs"]
mod tests;
