//! What the caller hears: `play`, `talk`, and the silence of `sleep`.

use protocol::Result;
use serde::{Deserialize, Serialize};

use crate::flow::literal::{Milliseconds, Url, Word};
use crate::flow::reader::{Fields, Slot};

/// The most sounds one `play` names.
const STREAMS: usize = 100;
/// The longest pause: a day. The call's own limit is shorter.
const SLEEP: (Milliseconds, Milliseconds) = (Milliseconds(0), Milliseconds(86_400_000));

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Play {
    /// Played in this order.
    pub(crate) stream_urls: Vec<Url>,
}

impl Play {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let stream_urls = fields.need_slot("stream_urls")?.items(STREAMS, |url: Slot<'_>| url.read())?;
        Ok(Play { stream_urls })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Talk {
    /// Plain text or SSML. Empty when only an unset variable stood there.
    pub(crate) text: String,
    /// BCP 47; empty: the engine's default.
    pub(crate) language: String,
    pub(crate) provider: TalkProvider,
    pub(crate) voice_id: String,
    pub(crate) digits_handle: DigitsHandle,
    /// Go on at once while the text is being spoken.
    pub(crate) r#async: bool,
}

impl Talk {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        // VoIPBIN's older clients still send it; the voice decides.
        fields.get::<String>("gender")?;
        Ok(Talk {
            text: fields.need("text")?,
            language: fields.get("language")?,
            provider: fields.get("provider")?,
            voice_id: fields.get("voice_id")?,
            digits_handle: fields.get("digits_handle")?,
            r#async: fields.get("async")?,
        })
    }
}

/// A wish: an engine that cannot have it speaks with its own voice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TalkProvider {
    #[default]
    #[serde(rename = "")]
    Any,
    Gcp,
    Aws,
}

impl Word for TalkProvider {
    const WANTED: &'static str = "gcp, aws or empty";
}

/// What the first digit does to a text that is being spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DigitsHandle {
    #[default]
    #[serde(rename = "")]
    Nothing,
    /// Cuts it off; the next action runs.
    Next,
}

impl Word for DigitsHandle {
    const WANTED: &'static str = "next or empty";
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sleep {
    pub(crate) duration: Milliseconds,
}

impl Sleep {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        fields.need_slot("duration")?;
        Ok(Sleep { duration: fields.span("duration", SLEEP, Milliseconds(0))? })
    }
}
