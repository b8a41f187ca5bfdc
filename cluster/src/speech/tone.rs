//! A soft tone as long as the text would take: a call goes on as it would, and one hears that speech is missing.

use async_trait::async_trait;
use bytes::Bytes;
use protocol::Result;
use protocol::ports::{Speech, Utterance};
use tracing::debug;

use super::{plain, wav};

const RATE: u32 = 8_000;
/// About the pace of a calm speaker: 16 characters a second.
const SAMPLES_A_CHARACTER: usize = RATE as usize * 60 / 1000;
/// 440 Hz at a tenth of full scale: audible, not startling.
const STEP: f64 = 440.0 * std::f64::consts::TAU / RATE as f64;
const LOUDNESS: f64 = 3_276.0;
/// 20 ms up and down, so that it does not click.
const FADE: usize = RATE as usize / 50;

pub(super) struct Tone;

#[async_trait]
impl Speech for Tone {
    fn name(&self) -> &'static str {
        "tone"
    }

    async fn say(&self, utterance: &Utterance) -> Result<Bytes> {
        let text = plain(&utterance.text)?;
        debug!(characters = text.chars().count(), "a tone stands for speech");
        let length = text.chars().count() * SAMPLES_A_CHARACTER;
        let samples: Vec<i16> = (0..length).map(|at| sample(at, length)).collect();
        Ok(wav::encode(RATE, &samples))
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small whole numbers")]
fn sample(at: usize, length: usize) -> i16 {
    let edge = at.min(length - at).min(FADE) as f64 / FADE as f64;
    ((at as f64 * STEP).sin() * LOUDNESS * edge) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_tone_lasts_as_long_as_the_text() {
        let utterance = Utterance { text: "ä".repeat(50), language: String::new(), voice: String::new() };
        let audio = Tone.say(&utterance).await.expect("audio");
        wav::check(&audio).expect("a WAV file");
        assert_eq!(audio.len() - 44, 3 * 8_000 * 2, "50 characters take 3 s");
        assert!(audio[44..].iter().any(|byte| *byte != 0), "it is not silent");
    }
}
