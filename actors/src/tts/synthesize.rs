//! Speaking one text. What a text may hold is decided here, not by the engine: SSML can name files.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::ports::{Deps, Utterance};
use protocol::{Context, Error, Result};
use tokio::time::timeout_at;

use super::api::{Spoken, Synthesize};

/// VoIPBIN's limit, in bytes.
const LONGEST: usize = 5000;

/// Parts of SSML and XML that make an engine open files or expand entities.
const FORBIDDEN: [&str; 3] = ["<audio", "<!doctype", "<!entity"];

pub(super) async fn synthesize(deps: Arc<Deps>, by: Context, command: Synthesize) -> Result<Spoken> {
    check(&command.text)?;
    let Synthesize { text, language, voice_id: voice } = command;
    let utterance = Utterance { text, language, voice };
    let speaking = timeout_at(by.deadline, deps.speech.say(&utterance));
    let wav = speaking.await.map_err(|_| Error::timeout())??;
    Ok(Spoken { wav: STANDARD.encode(wav) })
}

fn check(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid("text is required"));
    }
    if text.len() > LONGEST {
        return Err(Error::invalid(format!("text must not be longer than {LONGEST} bytes")));
    }
    let lower = text.to_ascii_lowercase();
    match FORBIDDEN.iter().find(|part| lower.contains(**part)) {
        Some(part) => Err(Error::invalid(format!("text must not contain {part}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_ssml_are_spoken_within_their_limits() {
        for (text, good) in [
            ("Good morning", true),
            ("<speak>Good <break time=\"1s\"/> morning</speak>", true),
            (&"x".repeat(LONGEST), true),
            (&"x".repeat(LONGEST + 1), false),
            (" \n", false),
            ("<speak><AUDIO src=\"/etc/passwd\"/></speak>", false),
            ("<!DOCTYPE x><speak>a</speak>", false),
        ] {
            assert_eq!(check(text).is_ok(), good, "{text:.40}");
        }
    }
}
