//! Actions of a flow on a call: how each begins, and what its end is.

use std::sync::Arc;

use protocol::ports::voice::{Command, Sound, Tone};
use protocol::ports::{Filter, Send as Fetch};
use protocol::{Context, Error, Result, Row};
use serde_json::json;
use tokio::time::Duration;
use uuid::Uuid;

use super::api::{Act, CutShort};
use super::calls::{Calls, now, patch};
use super::session::{Msg, Reply, Session};
use super::status::{Reason, Status, Way};
use super::talk;
use super::{bridge, recover};
use crate::flow::api::{DigitsSend, Hangup, HangupReason, Instruction, Play, Talk, Turn};
use crate::kernel::Myself;

/// What a call is busy with on behalf of its flow.
pub(super) enum Doing {
    Answer,
    /// Fetching, then playing. A spoken text may have to answer first.
    Sound,
    Digits,
    Bridge(Uuid),
    /// Its end says all; no flow waits for a report.
    Hangup,
}

/// One beep: 425 Hz for 400 ms.
const BEEP: Tone = Tone { frequencies: Vec::new(), on_ms: 400, off_ms: 0, total_ms: 400 };
const BEEP_HERTZ: u16 = 1000;
/// The largest sound that is fetched: ten minutes of 16-bit mono at 8 kHz.
const MOST_SOUND: usize = 10 << 20;
/// As many calls as a group has at the most.
const MOST_CALLS: u32 = 30;
const FETCH_TIME: Duration = Duration::from_secs(20);

pub(super) async fn act(calls: Arc<Calls>, by: Context, id: Uuid, act: Act) -> Result<()> {
    calls.up(&by, id).await?;
    calls.live.ask(id, &by, |reply| Msg::Act(Box::new(act), reply)).await
}

pub(super) async fn cut_short(calls: Arc<Calls>, by: Context, id: Uuid, short: CutShort) -> Result<()> {
    calls.up(&by, id).await?;
    calls.live.ask(id, &by, |reply| Msg::CutShort(short.turn, reply)).await
}

impl Session {
    pub(super) async fn act(&mut self, act: Act, reply: Reply<()>, me: &Myself<Msg>) -> Result<()> {
        let under_way = self.doing.as_ref().is_some_and(|(turn, _)| *turn == act.turn);
        if under_way || self.status == Status::Hangup {
            let _ = reply.send(Ok(()));
            return Ok(());
        }
        if let Some(finished) = self.finished(act.turn) {
            let _ = reply.send(Ok(()));
            return self.tell(finished, me).await;
        }
        self.abandon().await?;
        self.keyed = false;
        let mut action = json!(act.instruction);
        action["id"] = json!(act.turn.action_id);
        action["tm_execute"] = now(&self.calls.deps);
        let begun = patch([("action", action), ("turn", json!(act.turn))]);
        if let Instruction::Hangup(how) = &act.instruction {
            self.hang_up(how, begun).await?;
            let _ = reply.send(Ok(()));
            return Ok(());
        }
        self.write_later(begun, me);
        let _ = reply.send(Ok(()));
        self.carry_out(act.turn, act.instruction, me).await
    }

    async fn carry_out(&mut self, turn: Turn, instruction: Instruction, me: &Myself<Msg>) -> Result<()> {
        match self.begin(turn.run(), instruction, me).await {
            Ok(Some(doing)) => {
                self.doing = Some((turn, doing));
                Ok(())
            }
            Ok(None) => self.finish(turn, String::new(), me).await,
            Err(error) => self.finish(turn, error.to_string(), me).await,
        }
    }

    /// After a crash: the action that was under way begins again, unless its flow has heard of its end.
    pub(super) async fn take_up(&mut self, me: &Myself<Msg>) -> Result<()> {
        let Some((turn, instruction)) = self.open_action() else { return Ok(()) };
        match self.is_wanted(turn).await {
            true => self.carry_out(turn, instruction, me).await,
            false => Ok(()),
        }
    }

    fn open_action(&self) -> Option<(Turn, Instruction)> {
        let field = |name: &str| self.row.get(name).cloned().unwrap_or_default();
        let turn: Turn = serde_json::from_value(field("turn")).ok()?;
        let open = self.finished(turn).is_none();
        open.then(|| serde_json::from_value(field("action")).ok()).flatten().map(|action| (turn, action))
    }

    /// Starts an action. `None`: it is done already.
    async fn begin(&mut self, id: Uuid, instruction: Instruction, me: &Myself<Msg>) -> Result<Option<Doing>> {
        match instruction {
            Instruction::Answer if self.status == Status::Progressing => Ok(None),
            Instruction::Answer => self.voice(Command::Answer).await.map(|()| Some(Doing::Answer)),
            Instruction::Beep => {
                let beep = Sound::Tone(Tone { frequencies: vec![BEEP_HERTZ], ..BEEP });
                self.play(id, vec![beep]).await.map(|()| Some(Doing::Sound))
            }
            Instruction::Play(play) => {
                self.fetch(id, play, me);
                Ok(Some(Doing::Sound))
            }
            Instruction::Talk(talk) => self.speak(id, talk, me).await,
            Instruction::DigitsSend(send) => self.send_digits(id, send).await.map(|()| Some(Doing::Digits)),
            Instruction::ConfbridgeJoin(join) => {
                self.join(join.confbridge_id).await?;
                Ok(Some(Doing::Bridge(join.confbridge_id)))
            }
            Instruction::Hangup(how) => self.hang_up(&how, Row::new()).await.map(|()| Some(Doing::Hangup)),
            Instruction::Block
            | Instruction::Branch(_)
            | Instruction::Call(_)
            | Instruction::ConditionCallDigits(_)
            | Instruction::ConditionVariable(_)
            | Instruction::Connect(_)
            | Instruction::DigitsReceive(_)
            | Instruction::Fetch(_)
            | Instruction::Goto(_)
            | Instruction::Sleep(_)
            | Instruction::Stop
            | Instruction::VariableSet(_)
            | Instruction::WebhookSend(_) => Err(Error::invalid("this action is not a call's")),
        }
    }

    async fn hang_up(&mut self, how: &Hangup, with: Row) -> Result<()> {
        let why = self.why(&how.reason, how.reference_id).await;
        self.end_for_flow(why, with).await
    }

    async fn send_digits(&self, id: Uuid, send: DigitsSend) -> Result<()> {
        let DigitsSend { digits, duration, interval } = send;
        self.voice(Command::Digits { id, digits: digits.0, duration_ms: duration.0, gap_ms: interval.0 })
            .await
    }

    /// Ends what is under way without a report: something else begins.
    async fn abandon(&mut self) -> Result<()> {
        self.beside.clear();
        match self.doing.take() {
            Some((_, Doing::Sound | Doing::Digits)) => drop(self.voice(Command::Stop).await),
            Some((_, Doing::Bridge(bridge))) => {
                let _ = self.calls.bridges.insist(bridge, bridge::Msg::Left(self.id));
                let _ = self.voice(Command::Leave).await;
            }
            Some((_, Doing::Answer | Doing::Hangup)) | None => {}
        }
        Ok(())
    }

    pub(super) async fn cut_short(&mut self, turn: Turn, reply: Reply<()>, me: &Myself<Msg>) -> Result<()> {
        let _ = reply.send(Ok(()));
        if self.doing.as_ref().is_some_and(|(doing, _)| *doing == turn) {
            self.abandon().await?;
            self.finish(turn, String::new(), me).await?;
        }
        Ok(())
    }

    async fn play(&self, id: Uuid, sounds: Vec<Sound>) -> Result<()> {
        self.voice(Command::Play { id, sounds }).await
    }

    fn fetch(&mut self, id: Uuid, play: Play, me: &Myself<Msg>) {
        let calls = self.calls.clone();
        self.beside.push(me.later(async move {
            let mut sounds = Vec::new();
            for url in &play.stream_urls {
                match fetch(&calls, &url.0).await {
                    Ok(sound) => sounds.push(sound),
                    Err(error) => return Msg::Fetched(id, Err(error)),
                }
            }
            Msg::Fetched(id, Ok(sounds))
        }));
    }

    /// A text is spoken to a call that is up; one that rings is answered first.
    async fn speak(&mut self, id: Uuid, talk: Talk, me: &Myself<Msg>) -> Result<Option<Doing>> {
        if self.status.is_unanswered() {
            self.voice(Command::Answer).await?;
        }
        let (calls, by, goes_on) = (self.calls.clone(), self.by(), talk.r#async);
        let playback = if goes_on { Uuid::now_v7() } else { id };
        let speech = async move {
            Msg::Fetched(
                playback,
                talk::synthesize(&calls, &by, &talk.text, &talk.language, &talk.voice_id).await,
            )
        };
        self.beside.push(me.later(speech));
        Ok((!goes_on).then_some(Doing::Sound))
    }

    pub(super) async fn fetched(
        &mut self,
        id: Uuid,
        sounds: Result<Vec<Sound>>,
        me: &Myself<Msg>,
    ) -> Result<()> {
        let played = match sounds {
            Ok(sounds) => self.play(id, sounds).await,
            Err(error) => Err(error),
        };
        match (played, &self.doing) {
            (Err(error), Some((turn, _))) if turn.run() == id => {
                self.finish(*turn, error.to_string(), me).await
            }
            (Err(error), _) => {
                tracing::info!(call = %self.id, %error, "nothing to play");
                Ok(())
            }
            (Ok(()), _) => Ok(()),
        }
    }

    async fn join(&self, bridge: Uuid) -> Result<()> {
        let member = bridge::Member {
            call: self.id,
            incoming: self.facts.direction == Way::Incoming,
            up: self.status == Status::Progressing,
        };
        if !self.calls.bridges.has(bridge) {
            // after a start of the node a call may be there before its bridge
            recover::bridge(&self.calls, bridge).await?;
        }
        self.calls.bridges.insist(bridge, bridge::Msg::Join(member))
    }

    /// What its bridge asks of this call.
    pub(super) async fn bridged(&mut self, word: bridge::Word, me: &Myself<Msg>) -> Result<()> {
        let incoming = self.facts.direction == Way::Incoming;
        let command = match word {
            bridge::Word::Ring | bridge::Word::Answer if self.status.is_unanswered() && !incoming => {
                return Ok(());
            }
            bridge::Word::Ring if self.status.is_unanswered() => Command::Ring,
            bridge::Word::Ring => Command::Play { id: Uuid::now_v7(), sounds: vec![Sound::Tone(ringback())] },
            bridge::Word::Answer if self.status.is_unanswered() => Command::Answer,
            bridge::Word::Answer => Command::Stop,
            bridge::Word::Enter(bridge) => {
                if self.status.is_unanswered() && incoming {
                    let _ = self.voice(Command::Early).await;
                }
                Command::Join { bridge }
            }
            bridge::Word::Out(bridge) => return self.out(bridge, me).await,
        };
        if let Err(error) = self.voice(command).await {
            tracing::debug!(call = %self.id, %error, "the leg is gone");
        }
        Ok(())
    }

    /// The bridge let this call go: its action is done.
    async fn out(&mut self, bridge: Uuid, me: &Myself<Msg>) -> Result<()> {
        let _ = self.voice(Command::Leave).await;
        let _ = self.voice(Command::Stop).await;
        match self.doing {
            Some((turn, Doing::Bridge(inside))) if inside == bridge => {
                self.finish(turn, String::new(), me).await
            }
            _ => Ok(()),
        }
    }

    async fn why(&self, reason: &HangupReason, reference: Uuid) -> Reason {
        let given = serde_json::from_value(json!(reason)).unwrap_or(Reason::Normal);
        let given = if given == Reason::None { Reason::Normal } else { given };
        if reference.is_nil() {
            return given;
        }
        let ended = self.reasons_of(reference).await.unwrap_or_default();
        // of a group that one phone refused as busy and another let ring, the caller hears busy
        [Reason::Busy, Reason::Noanswer, Reason::Cancel, Reason::Failed]
            .into_iter()
            .find(|why| ended.contains(why))
            .or(ended.first().copied())
            .unwrap_or(given)
    }

    /// Why a call ended, or every call of a group.
    async fn reasons_of(&self, id: Uuid) -> Result<Vec<Reason>> {
        let scope = self.by().scope;
        let rows = match self.calls.rows().get(scope, id).await {
            Ok(row) => vec![row],
            Err(_) => {
                self.calls.rows().some(scope, Filter::by("groupcall_id", json!(id)), MOST_CALLS).await?
            }
        };
        let why = |row: &Row| serde_json::from_value(row.get("hangup_reason")?.clone()).ok();
        Ok(rows.iter().filter_map(why).filter(|why| *why != Reason::None).collect())
    }
}

/// What a caller hears while the other side rings (ITU-T E.180: one second in five).
fn ringback() -> Tone {
    Tone { frequencies: vec![425], on_ms: 1000, off_ms: 4000, total_ms: 0 }
}

async fn fetch(calls: &Calls, url: &str) -> Result<Sound> {
    let request = Fetch {
        method: http::Method::GET,
        url: url.to_owned(),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        timeout: FETCH_TIME,
        most: MOST_SOUND,
    };
    let answer = calls.deps.outward.send(request).await?;
    match answer.status {
        200 => Ok(Sound::Wav(answer.body)),
        other => Err(Error::invalid(format!("{url} answered {other}"))),
    }
}
