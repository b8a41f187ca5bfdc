//! Text to speech: a configured endpoint, else an engine that is installed here, else a tone.
//!
//! Whatever speaks, its results are kept by content, so that a prompt is spoken once.

mod cached;
mod http;
mod process;
mod tone;
mod wav;

use std::path::PathBuf;
use std::sync::Arc;

use protocol::ports::Speech;
use protocol::{Error, Result};
use tracing::{info, warn};

use crate::outward::{Reach, Web};
use cached::Cached;
pub use http::Endpoint;
use http::Http;
use process::Process;
use tone::Tone;

/// The longest text that is spoken, in bytes: about five minutes.
const LONGEST_TEXT: usize = 5000;

/// What the choice of an engine depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Spoken texts are kept in the folder `speech` below it.
    pub data: PathBuf,
    pub endpoint: Option<Endpoint>,
    /// Used for utterances that name no voice; empty for the engine's own.
    pub voice: String,
}

/// The best engine that there is. Fails when the folder cannot be made.
pub async fn choose(settings: Settings) -> Result<Arc<dyn Speech>> {
    let folder = settings.data.join("speech");
    let engine = engine(settings.endpoint, &settings.voice).await?;
    info!(engine = engine.0.name(), "speech engine chosen");
    Ok(Arc::new(Cached::open(engine, folder).await?))
}

/// An engine, and what its results depend on besides the utterance.
async fn engine(endpoint: Option<Endpoint>, voice: &str) -> Result<(Arc<dyn Speech>, String)> {
    if let Some(endpoint) = endpoint {
        let kind = format!("http {} {} {voice}", endpoint.url, endpoint.model);
        return Ok((Arc::new(Http::new(endpoint, voice.to_owned(), Web::new(Reach::Anywhere)?)), kind));
    }
    if let Some(process) = Process::find(voice.to_owned(), std::env::temp_dir()).await {
        let kind = format!("{} {voice}", process.name());
        return Ok((Arc::new(process), kind));
    }
    warn!("no speech engine is configured or installed: texts are played as a tone");
    Ok((Arc::new(Tone), Tone.name().to_owned()))
}

/// The text without its markup, or an error for one that is empty or too long.
fn plain(text: &str) -> Result<String> {
    if text.len() > LONGEST_TEXT {
        return Err(Error::invalid(format!("the text is longer than {LONGEST_TEXT} bytes")));
    }
    let spoken = strip(text);
    match spoken.is_empty() {
        true => Err(Error::invalid("there is nothing to say")),
        false => Ok(spoken),
    }
}

/// SSML to text: tags become spaces, the five entities of XML and numbers become their characters. Text that
/// is not markup keeps its `<` and `&`.
fn strip(text: &str) -> String {
    if !text.trim_start().starts_with("<speak") {
        return words(text);
    }
    let mut spoken = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        spoken.push_str(before);
        spoken.push(' ');
        let end = if tag.starts_with("!--") { "-->" } else { ">" };
        rest = tag.split_once(end).map_or("", |(_, after)| after);
    }
    spoken.push_str(rest);
    words(&entities(&spoken))
}

fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let named = after.split_once(';').and_then(|(name, tail)| Some((entity(name)?, tail)));
        let (character, tail) = named.unwrap_or(('&', after));
        out.push(character);
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// Words with single spaces between them; control characters are spaces too.
fn words(text: &str) -> String {
    let parts = text.split(|c: char| c.is_whitespace() || c.is_control());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        for (text, spoken) in [
            ("Hello  there\n", "Hello there"),
            ("1 < 2 & 3 &amp; 4", "1 < 2 & 3 &amp; 4"),
            ("<speak>Hi <break time=\"1s\"/>you</speak>", "Hi you"),
            ("<speak version='1.0'>A&amp;B &lt;c&gt; &#65;&#x42; &nope; &</speak>", "A&B <c> AB &nope; &"),
            ("<speak>a<!-- <b>x</b> -->c", "a c"),
            ("<speak>never closed <tag", "never closed"),
            ("bell\u{7}\u{0}rings", "bell rings"),
        ] {
            assert_eq!(strip(text), spoken, "{text}");
        }
    }

    #[test]
    fn texts_are_neither_empty_nor_endless() {
        for text in ["", " \n", "<speak></speak>", &"x".repeat(LONGEST_TEXT + 1)] {
            assert!(plain(text).is_err());
        }
        assert!(plain(&"x".repeat(LONGEST_TEXT)).is_ok());
    }

    #[tokio::test]
    async fn something_always_speaks_and_is_kept() {
        let data = std::env::temp_dir().join(format!("branchline-{}", uuid::Uuid::now_v7()));
        let settings = Settings { data: data.clone(), endpoint: None, voice: String::new() };
        let speech = choose(settings).await.expect("an engine");
        let utterance = protocol::ports::Utterance {
            text: "Good morning".into(),
            language: "en-US".into(),
            voice: String::new(),
        };
        let audio = speech.say(&utterance).await.expect("audio");
        wav::check(&audio).expect("a WAV file");
        assert_eq!(std::fs::read_dir(data.join("speech")).expect("a folder").count(), 1);
        assert_eq!(speech.say(&utterance).await.expect("again"), audio);
        std::fs::remove_dir_all(data).expect("removed");
    }
}
