//! Text to speech.

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Utterance {
    pub text: String,
    /// BCP 47, or empty for the engine's own.
    pub language: String,
    /// The engine's name of a voice, or empty.
    pub voice: String,
}

#[async_trait]
pub trait Speech: Send + Sync {
    /// Names the engine in cache keys and logs.
    fn name(&self) -> &'static str;
    /// A WAV file: 16-bit PCM, mono, 8 to 48 kHz.
    async fn say(&self, utterance: &Utterance) -> Result<Bytes>;
}
