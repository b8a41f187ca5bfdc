//! One live call. The engine reports, the actor decides, the row and its event follow.
//!
//! Only this actor writes the row of its call, so it keeps the row and writes without reading.

use std::sync::Arc;

use protocol::ports::voice;
use protocol::ports::voice::{CAUSE_DURATION, CAUSE_FAILED, Command, EndedBy, LegEvent, Sound};
use protocol::{Context, Result, Row, read, time};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Duration;
use tracing::Span;
use uuid::Uuid;

use super::act::Doing;
use super::api::{Act, Finished};
use super::calls::{Calls, now, on_behalf, patch};
use super::count::Counted;
use super::outgoing::Attempts;
use super::record::Unwritten;
use super::status::{Reason, Status, Way, ended_by, may_fail_over, reason};
use super::{bridge, group};
use crate::billing::api::{ACCOUNT, ExtendCall};
use crate::flow::api::Turn;
use crate::kernel::{Alarm, Living, Myself, Then};

pub(super) type Reply<T> = oneshot::Sender<Result<T>>;

pub(super) enum Msg {
    /// An outgoing call that was stored: place it.
    Dial(Box<Attempts>),
    /// An incoming one: its flow will say what happens.
    Wait,
    /// Rebuilt after a crash: what is true now?
    Resume,
    Leg(LegEvent),
    Act(Box<Act>, Reply<()>),
    CutShort(Turn, Reply<()>),
    /// What an action wanted to play has been fetched.
    Fetched(Uuid, Result<Vec<Sound>>),
    End(Reason, Option<Reply<Row>>),
    Delete(Reply<Row>),
    Media(Command, Row, Reply<()>),
    /// A call that ends with this one.
    Chain(Uuid, Reply<()>),
    Bridge(bridge::Word),
    /// Another minute is about to begin.
    Minute,
    TooLong,
    /// An action has not ended yet.
    Lasts,
    /// The flow could not be told that this one has.
    Unheard(Turn),
    /// The end of work whose outcome nobody waits for.
    Done,
}

/// The next minute is set aside this long before it begins.
const AHEAD: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

pub(super) struct Session {
    pub(super) id: Uuid,
    pub(super) calls: Arc<Calls>,
    pub(super) row: Arc<Row>,
    pub(super) status: Status,
    pub(super) facts: Facts,
    pub(super) doing: Option<(Turn, Doing)>,
    /// A key was pressed since it began.
    pub(super) keyed: bool,
    attempts: Option<Box<Attempts>>,
    asked: Reason,
    minutes: u32,
    delete: bool,
    pub(super) beside: Vec<Alarm>,
    limits: Vec<Alarm>,
    pub(super) counted: Counted,
    pub(super) unwritten: Unwritten,
}

/// The part of the row that does not change while the call lives.
#[derive(Clone, Deserialize)]
pub(super) struct Facts {
    pub(super) id: Uuid,
    pub(super) customer_id: Uuid,
    pub(super) status: Status,
    pub(super) direction: Way,
    early_execution: bool,
    pub(super) groupcall_id: Uuid,
    pub(super) confbridge_id: Uuid,
}

impl Session {
    pub(super) fn new(calls: Arc<Calls>, row: Row) -> Result<Self> {
        let facts: Facts = read(&row)?;
        let counted = Counted::new(&facts);
        Ok(Session {
            id: facts.id,
            calls,
            row: Arc::new(row),
            status: facts.status,
            facts,
            doing: None,
            keyed: false,
            attempts: None,
            asked: Reason::None,
            minutes: 1,
            delete: false,
            beside: Vec::new(),
            limits: Vec::new(),
            counted,
            unwritten: Unwritten::default(),
        })
    }

    pub(super) fn by(&self) -> Context {
        on_behalf(self.facts.customer_id)
    }

    pub(super) async fn voice(&self, command: Command) -> Result<()> {
        self.calls.deps.voice.command(self.id, command).await
    }

    async fn leg(&mut self, event: LegEvent, me: &Myself<Msg>) -> Result<Then> {
        let next = self.status.next(&event);
        match event {
            LegEvent::Ended { cause, by, .. } if next.is_some() => return self.ended(cause, by, me).await,
            LegEvent::Ringing if next.is_some() => self.ringing().await?,
            LegEvent::Answered if next.is_some() => self.answered(me).await?,
            LegEvent::Digit { digit, duration_ms } => self.digit(digit, duration_ms).await?,
            LegEvent::PlayFinished { id } | LegEvent::DigitsSent { id } => self.finish_if(id, me).await?,
            LegEvent::MediaTimeout => self.end(Reason::Timeout).await?,
            LegEvent::EarlyMedia if self.status == Status::Dialing => self.ringing().await?,
            LegEvent::Ringing
            | LegEvent::EarlyMedia
            | LegEvent::Answered
            | LegEvent::Held(_)
            | LegEvent::Joined { .. }
            | LegEvent::Left { .. }
            | LegEvent::Ended { .. } => {}
        }
        Ok(Then::Go)
    }

    async fn ringing(&mut self) -> Result<()> {
        self.status = Status::Ringing;
        let at = now(&self.calls.deps);
        self.write(patch([("status", json!("ringing")), ("tm_ringing", at)]), "ringing").await?;
        if !self.facts.confbridge_id.is_nil() {
            self.tell_bridge(bridge::Msg::Ringing);
        }
        Ok(())
    }

    async fn answered(&mut self, me: &Myself<Msg>) -> Result<()> {
        self.status = Status::Progressing;
        let at = now(&self.calls.deps);
        let mut answered = patch([("status", json!("progressing")), ("tm_progressing", at)]);
        match self.doing {
            Some((turn, Doing::Answer)) => {
                self.doing = None;
                let finished = Finished { turn, error: String::new() };
                answered.insert("finished".to_owned(), json!(finished));
                // the fact says so, too: what the flow stores when it goes on is written with it
                self.hint(finished, me);
                self.write_beside(answered, "progressing").await?;
            }
            Some(_) | None => self.write(answered, "progressing").await?,
        }
        self.watch_limits(me);
        if let Some(attempts) = self.attempts.take() {
            self.beside.push(me.later(attempts.report(self.calls.clone(), true)));
        }
        if !self.facts.groupcall_id.is_nil() {
            let _ = self.calls.groups.insist(self.facts.groupcall_id, group::Msg::Answered(self.id));
        }
        if !self.facts.confbridge_id.is_nil() {
            self.tell_bridge(bridge::Msg::Answered(self.id));
        }
        Ok(())
    }

    /// Starts what ends a call in time: its longest duration, and the minute that the account cannot pay. Both
    /// count from the answer, also for a call that was rebuilt since.
    pub(super) fn watch_limits(&mut self, me: &Myself<Msg>) {
        let so_far = self.lasted();
        self.minutes = u32::try_from(so_far.as_secs() / MINUTE.as_secs() + 1).unwrap_or(u32::MAX);
        let longest = Duration::from_secs(self.calls.deps.settings.call_seconds).saturating_sub(so_far);
        let minute = MINUTE.saturating_mul(self.minutes).saturating_sub(AHEAD + so_far);
        self.limits = vec![me.after(longest, Msg::TooLong), me.after(minute, Msg::Minute)];
    }

    /// Since the answer.
    fn lasted(&self) -> Duration {
        let answered = self.row.get("tm_progressing").and_then(Value::as_str).and_then(time::parse);
        let lasted = answered.and_then(|at| (self.calls.deps.clock.now() - at).to_std().ok());
        lasted.unwrap_or_default()
    }

    async fn minute(&mut self, me: &Myself<Msg>) -> Result<()> {
        let since = self.row.get("tm_progressing").and_then(Value::as_str).map(str::to_owned);
        let extend = ExtendCall { call_id: self.id, minutes: self.minutes, since };
        match self.calls.deps.ask_all(&ACCOUNT, extend, &self.by()).await {
            Err(error) if error.status == protocol::Status::PaymentRequired => {
                tracing::info!(call = %self.id, "the account cannot pay the next minute");
                self.limits = vec![me.after(AHEAD, Msg::TooLong)];
            }
            // a billing domain that is down costs the operator a minute, not the customer a call
            Ok(()) | Err(_) => {
                self.minutes += 1;
                self.limits.push(me.after(MINUTE, Msg::Minute));
            }
        }
        Ok(())
    }

    /// Asks the engine to end the leg. The row becomes `hangup` when the engine reports it.
    pub(super) async fn end(&mut self, why: Reason) -> Result<()> {
        let Some(next) = self.ending(why) else { return Ok(()) };
        self.write(patch([("status", json!(next))]), next).await?;
        self.hang_up_leg().await;
        Ok(())
    }

    /// As [`Session::end`] for its flow, which has stored that it wants this, and writes `with` beside.
    pub(super) async fn end_for_flow(&mut self, why: Reason, mut with: Row) -> Result<()> {
        let Some(next) = self.ending(why) else { return Ok(()) };
        with.insert("status".to_owned(), json!(next));
        self.write_ahead(with, next).await?;
        self.hang_up_leg().await;
        Ok(())
    }

    /// The status that it now has.
    fn ending(&mut self, why: Reason) -> Option<&'static str> {
        let next = self.status.ending(self.facts.direction)?;
        (self.status, self.asked) = (next, why);
        Some(next.name())
    }

    async fn hang_up_leg(&self) {
        if let Err(error) = self.voice(Command::Hangup { cause: self.asked.cause() }).await {
            // the engine has no such leg: it is over already
            tracing::debug!(call = %self.id, %error, "nothing to hang up");
            let _ = self.calls.live.insist(self.id, Msg::Leg(GONE));
        }
    }

    async fn ended(&mut self, cause: voice::Cause, by: EndedBy, me: &Myself<Msg>) -> Result<Then> {
        if let Some(mut attempts) = self.attempts.take() {
            if cause != CAUSE_FAILED || by != EndedBy::Local {
                self.beside
                    .push(me.later(attempts.clone().report(self.calls.clone(), !is_carrier_fault(cause))));
            }
            let ringing = self.facts.early_execution && self.status == Status::Ringing;
            if may_fail_over(self.facts.direction, self.status, cause) && !ringing && attempts.next() {
                return self.dial(attempts).await;
            }
        }
        let why = reason(self.facts.direction, self.status, cause, self.asked);
        self.status = Status::Hangup;
        let end = patch([
            ("status", json!("hangup")),
            ("tm_hangup", now(&self.calls.deps)),
            ("hangup_reason", json!(why.name())),
            ("hangup_by", json!(ended_by(by))),
            ("hangup_cause", json!(cause)),
        ]);
        self.write_beside(end, "hangup").await?;
        self.counted.ended(why);
        self.farewell().await;
        if self.delete {
            self.write(self.calls.rows().tombstone(), "deleted").await?;
        }
        Ok(Then::End)
    }

    /// Tells everybody who counted on this call: its bridge and its group are on this node, what ends with it may
    /// be anywhere.
    async fn farewell(&mut self) {
        if let Some((_, Doing::Bridge(bridge))) = self.doing.take() {
            let _ = self.calls.bridges.insist(bridge, bridge::Msg::Left(self.id));
        }
        if !self.facts.confbridge_id.is_nil() {
            self.tell_bridge(bridge::Msg::Gone(self.id));
        }
        if !self.facts.groupcall_id.is_nil() {
            let _ = self.calls.groups.insist(self.facts.groupcall_id, group::Msg::Gone(self.id));
        }
        let chained = self.row.get("chained_call_ids").and_then(Value::as_array).cloned().unwrap_or_default();
        for id in chained.iter().filter_map(|id| id.as_str()?.parse().ok()) {
            self.calls.end(id, &self.by()).await;
        }
    }

    fn tell_bridge(&self, message: bridge::Msg) {
        let _ = self.calls.bridges.insist(self.facts.confbridge_id, message);
    }

    async fn dial(&mut self, attempts: Box<Attempts>) -> Result<Then> {
        if self.row.get("provider_id").is_some_and(|at| *at != json!(attempts.provider())) {
            self.write(patch([("provider_id", json!(attempts.provider()))]), "updated").await?;
        }
        let dialled = self.voice(Command::Dial(Box::new(attempts.dial()))).await;
        self.attempts = Some(attempts);
        if let Err(error) = dialled {
            tracing::warn!(call = %self.id, %error, "the engine refused to dial");
            let _ = self.calls.live.insist(self.id, Msg::Leg(REFUSED));
        }
        Ok(Then::Go)
    }

    async fn chain(&mut self, child: Uuid, reply: Reply<()>) -> Result<()> {
        let mut chained =
            self.row.get("chained_call_ids").and_then(Value::as_array).cloned().unwrap_or_default();
        chained.push(json!(child));
        self.write(patch([("chained_call_ids", json!(chained))]), "updated").await?;
        let _ = reply.send(Ok(()));
        Ok(())
    }

    async fn delete(&mut self, reply: Reply<Row>) -> Result<()> {
        self.delete = true;
        self.end(Reason::Normal).await?;
        let _ = reply.send(Ok(Row::clone(&self.row)));
        Ok(())
    }

    /// After a crash of this actor or of the node: is the leg still there, and what is it?
    async fn resume(&mut self, me: &Myself<Msg>) -> Result<Then> {
        match (self.calls.deps.voice.state(self.id), self.status) {
            (None, _) => return self.ended(CAUSE_FAILED, EndedBy::Local, me).await,
            (Some(voice::LegState::Up), Status::Dialing | Status::Ringing) => self.answered(me).await?,
            (Some(_), Status::Terminating | Status::Canceling) => {
                self.voice(Command::Hangup { cause: Reason::Normal.cause() }).await?;
            }
            (Some(voice::LegState::Ringing), Status::Dialing) => self.ringing().await?,
            (Some(voice::LegState::Up), _) => self.watch_limits(me),
            (Some(_), _) => {}
        }
        if self.status.ending(self.facts.direction).is_some() {
            self.take_up(me).await?;
            // its flow may have begun an action that the row did not say yet
            self.write(Row::new(), "rebuilt").await?;
        }
        Ok(Then::Go)
    }
}

const GONE: LegEvent = LegEvent::Ended { cause: 16, status: 0, by: EndedBy::Local };
const REFUSED: LegEvent = LegEvent::Ended { cause: CAUSE_FAILED, status: 500, by: EndedBy::Local };

/// Did the carrier fail, rather than the called party say no?
const fn is_carrier_fault(cause: voice::Cause) -> bool {
    matches!(cause, 27 | 34 | 38 | 41 | 42 | 102)
}

impl Living for Session {
    type Message = Msg;

    fn span(&self) -> Span {
        self.counted.span.clone()
    }

    async fn handle(&mut self, message: Msg, me: &Myself<Msg>) -> Result<Then> {
        match message {
            Msg::Dial(attempts) => return self.dial(attempts).await,
            Msg::Resume => return self.resume(me).await,
            Msg::Leg(event) => return self.leg(event, me).await,
            Msg::Act(act, reply) => self.act(*act, reply, me).await?,
            Msg::CutShort(turn, reply) => self.cut_short(turn, reply, me).await?,
            Msg::Fetched(action, sounds) => self.fetched(action, sounds, me).await?,
            Msg::End(why, reply) => {
                self.end(why).await?;
                reply.map(|reply| reply.send(Ok(Row::clone(&self.row))));
            }
            Msg::Delete(reply) => self.delete(reply).await?,
            Msg::Media(command, change, reply) => self.media(command, change, reply).await?,
            Msg::Chain(child, reply) => self.chain(child, reply).await?,
            Msg::Bridge(word) => self.bridged(word, me).await?,
            Msg::Minute => self.minute(me).await?,
            Msg::Lasts => self.lasts().await?,
            Msg::Unheard(turn) => self.unheard(turn).await?,
            Msg::TooLong => {
                self.end(Reason::Timeout).await?;
                tracing::debug!(call = %self.id, cause = CAUSE_DURATION, "time is up");
            }
            Msg::Wait | Msg::Done => {}
        }
        Ok(Then::Go)
    }
}
