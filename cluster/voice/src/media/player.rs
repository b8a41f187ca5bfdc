//! What a leg's peer hears on command: sounds one after another, a frame at a time.

use std::collections::VecDeque;

use protocol::ports::voice::Sound;
use protocol::{Error, Result};
use uuid::Uuid;

use super::clock::SAMPLES;
use super::tone::Cadence;
use super::wav::Wav;

/// Sounds of one command: a spoken sentence of numbers and names has some dozens.
const MAX_SOUNDS: usize = 100;

/// A Play command under way.
pub(super) struct Player {
    pub(super) id: Uuid,
    sources: VecDeque<Source>,
}

enum Source {
    Wav(Box<Wav>),
    Tone(Cadence),
}

impl Player {
    /// Checks every sound, so that what is accepted can be played to its end.
    ///
    /// # Errors
    /// `InvalidArgument` with what is wrong with which kind of sound.
    pub(super) fn new(id: Uuid, sounds: &[Sound]) -> Result<Player> {
        if sounds.len() > MAX_SOUNDS {
            return Err(Error::invalid(format!("play: at most {MAX_SOUNDS} sounds at once")));
        }
        let sources = sounds.iter().map(Source::open).collect::<Result<_>>()?;
        Ok(Player { id, sources })
    }

    /// The next frame, its end filled with silence; `None` when all was heard.
    pub(super) fn frame(&mut self) -> Option<[i16; SAMPLES]> {
        let mut frame = [0; SAMPLES];
        let mut filled = 0;
        while let Some(source) = self.sources.front_mut() {
            filled += source.fill(&mut frame[filled..]);
            if filled == SAMPLES {
                break;
            }
            self.sources.pop_front();
        }
        (filled > 0).then_some(frame)
    }
}

impl Source {
    fn open(sound: &Sound) -> Result<Source> {
        match sound {
            Sound::Wav(file) => Ok(Source::Wav(Box::new(Wav::open(file)?))),
            Sound::Tone(tone) => Ok(Source::Tone(Cadence::new(tone)?)),
        }
    }

    fn fill(&mut self, out: &mut [i16]) -> usize {
        match self {
            Source::Wav(wav) => wav.fill(out),
            Source::Tone(cadence) => cadence.fill(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::ports::voice::Tone;

    use super::*;

    fn tone(total_ms: u32) -> Sound {
        Sound::Tone(Tone { frequencies: vec![440], on_ms: 1000, off_ms: 0, total_ms })
    }

    #[test]
    fn sounds_follow_each_other_without_a_gap() {
        let mut player = Player::new(Uuid::nil(), &[tone(30), tone(30), tone(5)]).expect("valid");
        let frames = std::iter::from_fn(|| player.frame()).count();
        assert_eq!(frames, 4, "65 ms are four frames");
    }

    #[test]
    fn nothing_to_play_is_over_at_once() {
        assert!(Player::new(Uuid::nil(), &[]).expect("valid").frame().is_none());
    }

    #[test]
    fn one_bad_sound_refuses_all() {
        assert!(Player::new(Uuid::nil(), &[tone(30), Sound::Wav(b"no".to_vec().into())]).is_err());
        assert!(Player::new(Uuid::nil(), &vec![tone(1); MAX_SOUNDS + 1]).is_err());
    }
}
