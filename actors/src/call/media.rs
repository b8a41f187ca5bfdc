//! What an API client may do to the audio of a live call.

use std::marker::PhantomData;
use std::sync::Arc;

use protocol::ports::voice::{Command as Voice, Direction};
use protocol::{Command, Context, Error, Reply as Shape, Result, Row, Verb};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::calls::{Calls, patch};
use super::session::{Msg, Reply, Session};
use super::status::Status;

/// A switch of a call's audio: on by POST, off by DELETE, 200 with an empty body.
pub(super) trait Switch: Send + 'static {
    const VERB: Verb;
    fn voice() -> Voice;
}

/// The command that throws switch `S`.
#[derive(Serialize, Deserialize)]
pub(super) struct Throw<S> {
    #[serde(skip)]
    switch: PhantomData<S>,
}

impl<S: Switch> Command for Throw<S> {
    const VERB: Verb = S::VERB.reply(Shape::Empty);
    type Reply = ();
}

pub(super) async fn throw<S: Switch>(calls: Arc<Calls>, by: Context, id: Uuid, _: Throw<S>) -> Result<()> {
    order(&calls, &by, id, S::voice(), Row::new()).await
}

pub(super) struct Hold;
pub(super) struct Unhold;
pub(super) struct Music;
pub(super) struct NoMusic;
pub(super) struct Silence;
pub(super) struct NoSilence;

impl Switch for Hold {
    const VERB: Verb = Verb::post("hold");
    fn voice() -> Voice {
        Voice::Hold(true)
    }
}

impl Switch for Unhold {
    const VERB: Verb = Verb::delete("hold");
    fn voice() -> Voice {
        Voice::Hold(false)
    }
}

impl Switch for Music {
    const VERB: Verb = Verb::post("moh");
    fn voice() -> Voice {
        Voice::Music(true)
    }
}

impl Switch for NoMusic {
    const VERB: Verb = Verb::delete("moh");
    fn voice() -> Voice {
        Voice::Music(false)
    }
}

impl Switch for Silence {
    const VERB: Verb = Verb::post("silence");
    fn voice() -> Voice {
        Voice::Silence(true)
    }
}

impl Switch for NoSilence {
    const VERB: Verb = Verb::delete("silence");
    fn voice() -> Voice {
        Voice::Silence(false)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Mute {
    /// `in`, `out` or `both`; absent or empty: both.
    #[serde(default)]
    direction: String,
}

impl Command for Mute {
    const VERB: Verb = Verb::post("mute").reply(Shape::Empty);
    type Reply = ();
}

#[derive(Serialize, Deserialize)]
pub(super) struct Unmute {
    #[serde(default)]
    direction: String,
}

impl Command for Unmute {
    const VERB: Verb = Verb::delete("mute").reply(Shape::Empty);
    type Reply = ();
}

pub(super) async fn mute(calls: Arc<Calls>, by: Context, id: Uuid, mute: Mute) -> Result<()> {
    let way = direction(&mute.direction)?;
    order(&calls, &by, id, Voice::Mute(way), Row::new()).await
}

pub(super) async fn unmute(calls: Arc<Calls>, by: Context, id: Uuid, unmute: Unmute) -> Result<()> {
    let way = direction(&unmute.direction)?;
    order(&calls, &by, id, Voice::Unmute(way), Row::new()).await
}

fn direction(text: &str) -> Result<Direction> {
    match text {
        "" | "both" => Ok(Direction::Both),
        "in" => Ok(Direction::In),
        "out" => Ok(Direction::Out),
        _ => Err(Error::invalid("direction must be in, out or both")),
    }
}

async fn order(calls: &Calls, by: &Context, id: Uuid, command: Voice, change: Row) -> Result<()> {
    calls.up(by, id).await?;
    calls.live.ask(id, by, |reply| Msg::Media(command, change, reply)).await
}

impl Session {
    pub(super) async fn media(&mut self, command: Voice, mut change: Row, reply: Reply<()>) -> Result<()> {
        if self.status != Status::Progressing {
            let _ = reply.send(Err(Error::state("the call is not answered")));
            return Ok(());
        }
        if let Voice::Mute(way) = &command {
            change = self.muted(*way, true);
        } else if let Voice::Unmute(way) = &command {
            change = self.muted(*way, false);
        }
        let done = self.voice(command).await;
        if done.is_ok() && !change.is_empty() {
            self.write(change, "updated").await?;
        }
        let _ = reply.send(done);
        Ok(())
    }

    /// Each direction is muted and unmuted on its own; the row says what is muted altogether.
    fn muted(&self, way: Direction, on: bool) -> Row {
        let now = self.row.get("mute_direction").and_then(|d| d.as_str()).unwrap_or_default();
        patch([("mute_direction", json!(muted(now, way, on)))])
    }
}

fn muted(now: &str, way: Direction, on: bool) -> &'static str {
    let was = |name: &str| now == name || now == "both";
    let is = |name: &str, this: Direction| if way == this || way == Direction::Both { on } else { was(name) };
    match (is("in", Direction::In), is("out", Direction::Out)) {
        (true, true) => "both",
        (true, false) => "in",
        (false, true) => "out",
        (false, false) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_muted_one_by_one() {
        for (now, way, on, expected) in [
            ("", Direction::In, true, "in"),
            ("in", Direction::Out, true, "both"),
            ("both", Direction::In, false, "out"),
            ("in", Direction::Both, false, ""),
        ] {
            assert_eq!(muted(now, way, on), expected, "{now} {way:?} {on}");
        }
    }
}
