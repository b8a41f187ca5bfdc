//! Generated sound: cadenced tones for the ear, and the level of one frequency for a measurement.

use std::f64::consts::TAU;

use protocol::ports::voice::Tone;
use protocol::{Error, Result};

use super::clock::RATE;

/// Frequencies that sound together; a call progress tone has two, special information tones three.
const MAX_FREQUENCIES: usize = 4;
/// The sum of all frequencies of a tone: -13 dB below full scale, the usual level of call progress tones.
const LOUDNESS: f64 = 7300.0;
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
        let mut rest = &mut out[..left];
        while !rest.is_empty() {
            let phase = self.position % self.period;
            let sounds = phase < self.on;
            let end = if sounds { self.on } else { self.period };
            let (now, later) = rest.split_at_mut(rest.len().min(end - phase));
            match sounds {
                true => sound(&self.frequencies, phase, now),
                false => now.fill(0),
            }
            self.position += now.len();
            rest = later;
        }
        // A tone without an end must not run its counter over on a call that lasts for ever.
        if self.total.is_none() {
            self.position %= self.period;
        }
        left
    }
}

/// `frequencies` sounding together, from their sample `index` on.
pub(super) fn sound(frequencies: &[u16], index: usize, out: &mut [i16]) {
    let mut waves = [const { Wave::SILENCE }; MAX_FREQUENCIES];
    for (wave, hertz) in waves.iter_mut().zip(frequencies) {
        *wave = Wave::at(*hertz, index);
    }
    let sounding = frequencies.len().clamp(1, MAX_FREQUENCIES);
    let loudness = LOUDNESS / sounding as f64;
    for slot in out {
        *slot = (waves[..sounding].iter_mut().map(Wave::next).sum::<f64>() * loudness) as i16;
    }
}

/// A sine by its recurrence: a product and a difference for each sample. Begun anew with every frame, so that its
/// errors never add up to anything.
struct Wave {
    /// Twice the cosine of the angle between two samples.
    turn: f64,
    next: f64,
    after: f64,
}

impl Wave {
    const SILENCE: Wave = Wave { turn: 0.0, next: 0.0, after: 0.0 };

    fn at(hertz: u16, index: usize) -> Wave {
        let step = TAU * f64::from(hertz) / RATE as f64;
        // whole cycles are dropped first: a large angle has little precision left
        let cycle = (usize::from(hertz) * (index % RATE)) % RATE;
        let angle = TAU * cycle as f64 / RATE as f64;
        Wave { turn: 2.0 * step.cos(), next: angle.sin(), after: (angle + step).sin() }
    }

    fn next(&mut self) -> f64 {
        let now = self.next;
        (self.next, self.after) = (self.after, self.turn * self.after - self.next);
        now
    }
}

/// Level of `frequency` in `samples`, in dB below a sine at full scale (Goertzel).
pub(super) fn level(samples: &[i16], frequency: u16) -> f32 {
    let turn = 2.0 * (TAU as f32 * f32::from(frequency) / RATE as f32).cos();
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
        let mut samples = [0; 4000];
        sound(&[440], 0, &mut samples);
        assert!((level(&samples, 440) + 13.0).abs() < 0.5, "{}", level(&samples, 440));
        assert!(level(&samples, 1000) < -50.0, "{}", level(&samples, 1000));
        assert!(level(&[0; 4000], 440) <= FLOOR);
        assert!(level(&[], 440) <= FLOOR);
    }

    #[test]
    fn frames_of_a_tone_fit_together() {
        let mut whole = [0; 16_000];
        sound(&[697, 1209], 0, &mut whole);
        for (at, frame) in whole.chunks(160).enumerate() {
            let mut again = [0; 160];
            sound(&[697, 1209], at * 160, &mut again);
            let differs = |(one, other): (&i16, &i16)| one.abs_diff(*other) > 1;
            assert!(!frame.iter().zip(&again).any(differs), "frame {at}");
        }
    }

    #[test]
    fn impossible_tones_are_refused() {
        for bad in [tone(&[], 1, 0, 0), tone(&[4000], 1, 0, 0), tone(&[0], 1, 0, 0), tone(&[440], 0, 1, 0)] {
            assert!(Cadence::new(&bad).is_err(), "{bad:?}");
        }
        assert!(Cadence::new(&tone(&[100, 200, 300, 400, 500], 1, 0, 0)).is_err());
    }
}
