//! One running activeflow. The interpreter decides; the actor keeps what it decided, then has it carried out.
//!
//! Never the other way round: what is not kept has not happened, and after a crash the current action is
//! carried out again under its old turn.

use std::sync::Arc;

use protocol::ports::{Journal, Unit};
use protocol::time::{self, Time};
use protocol::{Context, Error, Result, Row, Scope, read};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::Duration;
use uuid::Uuid;

use super::action::{Kind, Media, Performer};
use super::flows::{Flows, JOURNAL};
use super::machine::{Effect, Input, Outcome, resume, step};
use super::option::Instruction;
use super::perform::{self, Report};
use super::state::{State, Turn};
use crate::kernel::{Alarm, Living, Myself, Then};

pub(super) type Reply = oneshot::Sender<Result<Arc<Row>>>;

pub(super) enum Msg {
    /// Stored just now, or rebuilt: whatever is to be done next.
    Resume,
    /// Answered when its outcome is stored.
    Asked(Input, Reply),
    /// The call is to be told again what it is to do.
    Again(Reply),
    /// Somebody says that this `block` is over.
    GoOn(Uuid, Reply),
    /// What carries the current action out has come to an end, or to its beginning.
    Reported(Turn, Report),
    TimeUp(Turn),
    /// The call has been told to cut this turn short.
    Cut(Turn),
}

/// The part of the row that never changes.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Subject {
    pub(super) id: Uuid,
    pub(super) customer_id: Uuid,
    pub(super) reference_type: String,
    pub(super) reference_id: Uuid,
    #[serde(default)]
    pub(super) on_complete_flow_id: Uuid,
}

impl Subject {
    /// The context of what an activeflow does by itself.
    pub(super) fn by(&self) -> Context {
        Context::own(Scope::Customer(self.customer_id))
    }
}

pub(super) struct Run {
    pub(super) flows: Arc<Flows>,
    pub(super) of: Subject,
    pub(super) row: Arc<Row>,
    pub(super) state: State,
    /// What carries the current action out; dropped with it.
    beside: Option<Alarm>,
    /// The call carries it out.
    acting: Option<Turn>,
    cuts: Vec<(Turn, Alarm)>,
}

impl Run {
    pub(super) fn new(flows: Arc<Flows>, row: Row, state: State) -> Result<Self> {
        let of = read(&row)?;
        Ok(Run { flows, of, row: Arc::new(row), state, beside: None, acting: None, cuts: Vec::new() })
    }

    pub(super) fn id(&self) -> Uuid {
        self.of.id
    }

    async fn resume(&mut self, me: &Myself<Msg>) -> Result<Then> {
        match resume(&self.state) {
            Some(again) => self.carry_out(again, me),
            // a call's flow waits for the call's own word
            None if self.state.media != Media::Rtc => return self.take(Input::Start, None, me).await,
            None => {}
        }
        Ok(Then::Go)
    }

    async fn take(&mut self, input: Input, reply: Option<Reply>, me: &Myself<Msg>) -> Result<Then> {
        let of_call = matches!(input, Input::Finished { .. })
            && self.state.current().kind.performer() == Performer::Call;
        let stepped = match self.is_answered_by_the_end(&input) {
            true => Ok((self.state.clone(), Vec::new())),
            false => step(&self.state, input, self.flows.deps.clock.now()),
        };
        let (state, effects) = match stepped {
            Ok(stepped) => stepped,
            Err(refusal) => {
                reply.map(|reply| reply.send(Err(refusal)));
                return Ok(Then::Go);
            }
        };
        if of_call && hangs_up(&effects) {
            self.state = state;
        } else if effects.first() == Some(&Effect::Changed) {
            self.keep(state).await?;
        }
        reply.map(|reply| reply.send(Ok(self.row.clone())));
        for effect in effects {
            self.carry_out(effect, me);
        }
        Ok(if self.state.is_ended() { Then::End } else { Then::Go })
    }

    /// After `hangup` nothing follows but the end of the call: it stops the flow.
    fn is_answered_by_the_end(&self, input: &Input) -> bool {
        self.state.current().kind == Kind::Hangup && matches!(input, Input::Finished { .. })
    }

    /// Stores the new state, and with the last one whatever follows this activeflow.
    async fn keep(&mut self, state: State) -> Result<()> {
        let mut unit = Unit::default();
        let columns = state.columns();
        let shows = columns.iter().any(|(name, value)| self.row.get(name) != Some(value));
        let row = match shows {
            true => self.flows.rows().amend(&mut unit, (&self.row, columns), "updated", &self.of.by())?,
            false => self.row.clone(),
        };
        let mut next = None;
        unit.journal.push(match state.is_ended() {
            false => Journal::Put(self.flows.entry(&self.of, &state)?),
            true => Journal::Erase { kind: JOURNAL, id: self.of.id },
        });
        if state.is_ended() {
            next = self.flows.follow_up(&mut unit, &self.of, &state).await?;
            unit.joins = true;
        }
        self.flows.live.stored(self.flows.deps.store.commit(unit).await)?;
        (self.row, self.state) = (row, state);
        if let Some((row, state)) = next
            && let Err(error) = self.flows.enliven(row, state).await
        {
            tracing::error!(activeflow = %self.of.id, %error, "the flow that follows waits for a restart");
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect, me: &Myself<Msg>) {
        let activeflow = self.of.id;
        match effect {
            Effect::Changed => {}
            Effect::Run { turn, instruction } => self.beside = Some(self.have_done(turn, instruction, me)),
            Effect::Do { turn, instruction } => self.beside = Some(self.perform(turn, instruction, me)),
            Effect::Cancel { turn } => self.cancel(turn, me),
            Effect::Failed { turn, message } => {
                tracing::info!(%activeflow, action = %turn.action_id, message, "action failed");
            }
            Effect::Ended { failure: Some(failure) } => {
                tracing::info!(%activeflow, failure, "activeflow failed");
            }
            Effect::Ended { failure: None } => tracing::debug!(%activeflow, "activeflow ended"),
        }
    }

    /// Has the call carry an action out. Where nothing is to be done but to wait, nobody is asked.
    fn have_done(&mut self, turn: Turn, instruction: Instruction, me: &Myself<Msg>) -> Alarm {
        if let Some(patience) = patience(&instruction) {
            let since = self.state.current().tm_execute.as_deref().and_then(time::parse);
            return me.after(left(patience, since, self.flows.deps.clock.now()), Msg::TimeUp(turn));
        }
        self.acting = Some(turn);
        let (flows, of) = (self.flows.clone(), self.of.clone());
        me.later(async move { Msg::Reported(turn, perform::act(&flows, &of, turn, &instruction).await) })
    }

    fn perform(&self, turn: Turn, instruction: Instruction, me: &Myself<Msg>) -> Alarm {
        let (flows, of, state) = (self.flows.clone(), self.of.clone(), self.state.clone());
        me.later(async move {
            Msg::Reported(turn, perform::perform(&flows, &of, &state, (turn, instruction)).await)
        })
    }

    fn cancel(&mut self, turn: Turn, me: &Myself<Msg>) {
        self.beside = None;
        if self.acting == Some(turn) {
            let (flows, of) = (self.flows.clone(), self.of.clone());
            let cut = async move {
                perform::cut_short(&flows, &of, turn).await;
                Msg::Cut(turn)
            };
            self.cuts.push((turn, me.later(cut)));
        }
    }

    fn unblock(&self, action: Uuid) -> Result<Input> {
        let blocked = self.state.waiting_for().filter(|_| self.state.current().kind == Kind::Block);
        match blocked.filter(|turn| turn.action_id == action) {
            Some(turn) => Ok(Input::Finished { turn, outcome: Outcome::default() }),
            None => Err(Error::state("the activeflow does not wait at this action")),
        }
    }
}

impl Living for Run {
    type Message = Msg;

    async fn handle(&mut self, message: Msg, me: &Myself<Msg>) -> Result<Then> {
        match message {
            Msg::Resume => self.resume(me).await,
            Msg::Asked(input, reply) => self.take(input, Some(reply), me).await,
            Msg::Again(reply) => {
                let _ = reply.send(Ok(self.row.clone()));
                if let Some(again @ Effect::Run { .. }) = resume(&self.state) {
                    self.carry_out(again, me);
                }
                Ok(Then::Go)
            }
            Msg::GoOn(action, reply) => match self.unblock(action) {
                Ok(input) => self.take(input, Some(reply), me).await,
                Err(refusal) => {
                    let _ = reply.send(Err(refusal));
                    Ok(Then::Go)
                }
            },
            Msg::Reported(turn, report) => match report.input(turn) {
                Some(input) => self.take(input, None, me).await,
                None => Ok(Then::Go),
            },
            Msg::TimeUp(turn) => {
                self.take(Input::Finished { turn, outcome: Outcome::default() }, None, me).await
            }
            Msg::Cut(turn) => {
                self.cuts.retain(|(cut, _)| *cut != turn);
                Ok(Then::Go)
            }
        }
    }
}

/// Nothing but the call's end follows, which is kept with the end of the flow. After a crash before that the call says
/// once more that its last action is over.
fn hangs_up(effects: &[Effect]) -> bool {
    matches!(effects, [Effect::Changed, Effect::Run { instruction: Instruction::Hangup(_), .. }])
}

/// How long an action lasts of which nothing is to be done but to wait.
fn patience(instruction: &Instruction) -> Option<Duration> {
    let span = if let Instruction::Sleep(sleep) = instruction {
        sleep.duration
    } else if let Instruction::DigitsReceive(wanted) = instruction {
        wanted.duration
    } else {
        return None;
    };
    Some(Duration::from_millis(span.0.into()))
}

/// What remains of a span that began at `since`. A clock that was set back makes it no longer than it was.
fn left(span: Duration, since: Option<Time>, now: Time) -> Duration {
    let spent = since.and_then(|since| (now - since).to_std().ok()).unwrap_or_default();
    span.saturating_sub(spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_goes_on_where_it_was_after_a_restart() {
        let at = |text: &str| time::parse(text).expect("a time");
        let now = at("2026-01-02T03:04:05Z");
        for (since, seconds) in [
            (Some("2026-01-02T03:04:05Z"), 10),
            (Some("2026-01-02T03:04:01Z"), 6),
            (Some("2026-01-02T03:00:00Z"), 0),
            (Some("2026-01-02T04:00:00Z"), 10),
            (None, 10),
        ] {
            let left = left(Duration::from_secs(10), since.map(at), now);
            assert_eq!(left, Duration::from_secs(seconds), "{since:?}");
        }
    }
}
