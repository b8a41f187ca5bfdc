//! `POST /calls/{id}/talk`: a text spoken to a live call, beside its flow.

use std::sync::Arc;

use base64::Engine as _;
use protocol::ports::voice::{Command as Voice, Sound};
use protocol::{Command, Context, Error, Reply, Result, Row, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::calls::Calls;
use super::session::Msg;
use crate::tts::api::{SPEECH, Synthesize};

#[derive(Serialize, Deserialize)]
pub(super) struct TalkTo {
    text: String,
    #[serde(default)]
    language: String,
    #[serde(default)]
    provider: String,
    #[serde(default)]
    voice_id: String,
}

impl Command for TalkTo {
    const VERB: Verb = Verb::post("talk").reply(Reply::Empty);
    type Reply = ();
}

pub(super) async fn talk(calls: Arc<Calls>, by: Context, id: Uuid, talk: TalkTo) -> Result<()> {
    calls.up(&by, id).await?;
    let sounds = synthesize(&calls, &by, &talk.text, &talk.language, &talk.voice_id).await?;
    let play = Voice::Play { id: Uuid::now_v7(), sounds };
    calls.live.ask(id, &by, |reply| Msg::Media(play, Row::new(), reply)).await
}

pub(super) async fn synthesize(
    calls: &Calls,
    by: &Context,
    text: &str,
    language: &str,
    voice: &str,
) -> Result<Vec<Sound>> {
    let ask = Synthesize { text: text.to_owned(), language: language.to_owned(), voice_id: voice.to_owned() };
    let spoken = calls.deps.ask_all(&SPEECH, ask, by).await?;
    let wav = base64::engine::general_purpose::STANDARD.decode(spoken.wav).map_err(Error::internal)?;
    Ok(vec![Sound::Wav(wav.into())])
}
