//! Text to speech, for the domain that plays it.

use protocol::{Command, Verb};
use serde::{Deserialize, Serialize};

pub(crate) use super::SPEECH;

/// Speaks a text. Asked of the collection of speeches.
#[derive(Serialize, Deserialize)]
pub(crate) struct Synthesize {
    /// Plain, or SSML; at most 5000 bytes.
    pub(crate) text: String,
    /// BCP 47 or empty.
    pub(crate) language: String,
    pub(crate) voice_id: String,
}

impl Command for Synthesize {
    const VERB: Verb = Verb::internal("synthesize");
    type Reply = Spoken;
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Spoken {
    /// A WAV file, base64.
    pub(crate) wav: String,
}
