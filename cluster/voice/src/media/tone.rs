//! Generated sound: cadenced tones for the ear, and the level of one frequency for a measurement.

use std::f32::consts::TAU;

use protocol::ports::voice::Tone;
use protocol::{Error, Result};

use super::clock::RATE;

/// Frequencies that sound together; a call progress tone has two, special information tones three.
const MAX_FREQUENCIES: usize = 4;
/// The sum of all frequencies of a tone: -13 dB below full scale, the usual level of call progress tones.
const LOUDNESS: f32 = 7300.0;
/// What is told of a frequency that is not there at all: the floor of 16 bits.
const FLOOR: f32 = -96.0;

/// A [`Tone`] while it is heard.
#[derive(Debug)]
pub(super) struct Cadence {
    frequencies: Vec<u16>,
    on: usize,
    period: usize,
    /// Samples in all; `None` is for ever.
    total: Option<usize>,
    position: usize,
}

impl Cadence {
    /// # Errors
    /// `InvalidArgument` for no or too many frequencies, for one that 8 kHz cannot carry, for no sound at all.
    pub(super) fn new(tone: &Tone) -> Result<Cadence> {
        let count = tone.frequencies.len();
        let carried = tone.frequencies.iter().all(|hertz| (20..RATE as u16 / 2).contains(hertz));
        if count == 0 || count > MAX_FREQUENCIES || !carried || tone.on_ms == 0 {
            return Err(Error::invalid(
                "tone: 1 to 4 frequencies from 20 to 3999 Hz, sounding for some time",
            ));
        }
        let samples = |ms: u32| ms as usize * (RATE / 1000);
        // Without a pause the period is a second, which every whole frequency fills without a click.
        let (on, period) = match tone.off_ms {
            0 => (RATE, RATE),
            off_ms => (samples(tone.on_ms), samples(tone.on_ms) + samples(off_ms)),
        };
        let total = (tone.total_ms > 0).then(|| samples(tone.total_ms));
        Ok(Cadence { frequencies: tone.frequencies.clone(), on, period, total, position: 0 })
    }

    /// Writes the next samples and says how many; fewer than asked for is the end.
    pub(super) fn fill(&mut self, out: &mut [i16]) -> usize {
        let left = self.total.map_or(out.len(), |total| (total - self.position).min(out.len()));
        for slot in &mut out[..left] {
            let phase = self.position % self.period;
            *slot = if phase < self.on { sample(&self.frequencies, phase) } else { 0 };
            self.position += 1;
        }
        // A tone without an end must not run its counter over on a call that lasts for ever.
        if self.total.is_none() {
            self.position %= self.period;
        }
        left
    }
}

/// Sample `index` of `frequencies` sounding together.
pub(super) fn sample(frequencies: &[u16], index: usize) -> i16 {
    let wave = |hertz: &u16| {
        // Whole cycles are dropped first: a large angle has no precision left in 32 bits.
        let cycle = (usize::from(*hertz) * (index % RATE)) % RATE;
        (TAU * cycle as f32 / RATE as f32).sin()
    };
    let sum: f32 = frequencies.iter().map(wave).sum();
    (sum * LOUDNESS / frequencies.len().max(1) as f32) as i16
}

/// Level of `frequency` in `samples`, in dB below a sine at full scale (Goertzel).
pub(super) fn level(samples: &[i16], frequency: u16) -> f32 {
    let turn = 2.0 * (TAU * f32::from(frequency) / RATE as f32).cos();
    let (mut last, mut before) = (0.0_f32, 0.0_f32);
    for sample in samples {
        (last, before) = (f32::from(*sample) / f32::from(i16::MAX) + turn * last - before, last);
    }
    let power = last * last + before * before - turn * last * before;
    let amplitude = 2.0 * power.max(0.0).sqrt() / samples.len().max(1) as f32;
    (20.0 * amplitude.log10()).max(FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequencies: &[u16], on_ms: u32, off_ms: u32, total_ms: u32) -> Tone {
        Tone { frequencies: frequencies.to_vec(), on_ms, off_ms, total_ms }
    }

    #[test]
    fn a_cadence_sounds_pauses_and_ends() {
        let mut cadence = Cadence::new(&tone(&[440], 100, 50, 400)).expect("valid");
        let mut heard = vec![1; 8000];
        assert_eq!(cadence.fill(&mut heard), 3200);
        for (range, sounds) in [(0..800, true), (800..1200, false), (1200..2000, true), (2000..2400, false)] {
            assert_eq!(level(&heard[range.clone()], 440) > -20.0, sounds, "{range:?}");
        }
        assert_eq!(cadence.fill(&mut heard), 0);
    }

    #[test]
    fn a_tone_without_an_end_goes_on() {
        let mut cadence = Cadence::new(&tone(&[350, 440], 1000, 0, 0)).expect("valid");
        let mut heard = vec![0; 160];
        for _ in 0..1000 {
            assert_eq!(cadence.fill(&mut heard), 160);
        }
    }

    #[test]
    fn a_level_is_that_of_its_frequency_only() {
        let samples: Vec<i16> = (0..4000).map(|index| sample(&[440], index)).collect();
        assert!((level(&samples, 440) + 13.0).abs() < 0.5, "{}", level(&samples, 440));
        assert!(level(&samples, 1000) < -50.0, "{}", level(&samples, 1000));
        assert!(level(&[0; 4000], 440) <= FLOOR);
        assert!(level(&[], 440) <= FLOOR);
    }

    #[test]
    fn impossible_tones_are_refused() {
        for bad in [tone(&[], 1, 0, 0), tone(&[4000], 1, 0, 0), tone(&[0], 1, 0, 0), tone(&[440], 0, 1, 0)] {
            assert!(Cadence::new(&bad).is_err(), "{bad:?}");
        }
        assert!(Cadence::new(&tone(&[100, 200, 300, 400, 500], 1, 0, 0)).is_err());
    }
}
