//! The end of an action of a flow. The flow is told at once, and the row says so with whatever is written next: a fact of
//! its own would be two writes and a way through the outbox between one action and the next.
//!
//! It is a fact nevertheless where the flow does not hear, and where a key was pressed meanwhile, whose fact is on its
//! way: the order of the two is part of what a flow decides by.

use protocol::{Context, Op, Result};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use super::api::Finished;
use super::calls::patch;
use super::session::{Msg, Session};
use crate::flow::api::{ACTIVEFLOW, Hear, Turn};
use crate::kernel::Myself;

/// A call that came back waits so long for the row of its flow: meanwhile it hears of nothing else.
const WANTED: Duration = Duration::from_secs(1);

impl Session {
    pub(super) async fn finish(&mut self, turn: Turn, error: String, me: &Myself<Msg>) -> Result<()> {
        self.doing = None;
        if !error.is_empty() {
            tracing::info!(call = %self.id, action = %turn.action_id, error, "action not carried out");
        }
        self.tell(Finished { turn, error }, me).await
    }

    /// Ends the action whose run this was, if it is the one under way.
    pub(super) async fn finish_if(&mut self, run: Uuid, me: &Myself<Msg>) -> Result<()> {
        match self.doing {
            Some((turn, _)) if turn.run() == run => self.finish(turn, String::new(), me).await,
            Some(_) | None => Ok(()),
        }
    }

    pub(super) async fn tell(&mut self, finished: Finished, me: &Myself<Msg>) -> Result<()> {
        let patch = patch([("finished", json!(finished))]);
        let Some(activeflow) = self.activeflow().filter(|_| !self.keyed) else {
            return self.write(patch, "action_finished").await;
        };
        self.write_later(patch, me);
        let (deps, by, turn) = (self.calls.deps.clone(), self.by(), finished.turn);
        self.beside.push(me.later(async move {
            match deps.ask(&ACTIVEFLOW, activeflow, Hear::from(finished), &by).await {
                Ok(()) => Msg::Done,
                Err(error) => {
                    tracing::debug!(%activeflow, %error, "the end of an action becomes a fact");
                    Msg::Unheard(turn)
                }
            }
        }));
        Ok(())
    }

    /// Tells the flow of an end that a fact will tell of, too: it goes on sooner.
    pub(super) fn hint(&mut self, finished: Finished, me: &Myself<Msg>) {
        let Some(activeflow) = self.activeflow().filter(|_| !self.keyed) else { return };
        let (deps, by) = (self.calls.deps.clone(), self.by());
        self.beside.push(me.later(async move {
            let _ = deps.ask(&ACTIVEFLOW, activeflow, Hear::from(finished), &by).await;
            Msg::Done
        }));
    }

    /// The flow has not heard of the end of this turn. If that is still the last that happened, it will.
    pub(super) async fn unheard(&mut self, turn: Turn) -> Result<()> {
        match self.doing.is_none() && self.finished(turn).is_some() {
            true => self.write(Default::default(), "action_finished").await,
            false => Ok(()),
        }
    }

    /// How this turn ended, if it is the last one that did.
    pub(super) fn finished(&self, turn: Turn) -> Option<Finished> {
        let said = self.unwritten.get("finished").or_else(|| self.row.get("finished"))?;
        serde_json::from_value(said.clone()).ok().filter(|finished: &Finished| finished.turn == turn)
    }

    /// After a crash: does its flow still stand at this action? One that cannot be asked may.
    pub(super) async fn is_wanted(&self, turn: Turn) -> bool {
        let Some(activeflow) = self.activeflow() else { return true };
        let by = Context { deadline: Instant::now() + WANTED, ..self.by() };
        let row = self.calls.deps.op(&ACTIVEFLOW, Op::Get(activeflow), Value::Null, &by).await;
        row.map_or(true, |row| row["current_action"]["id"] == json!(turn.action_id))
    }

    fn activeflow(&self) -> Option<Uuid> {
        let id: Uuid = self.row.get("activeflow_id")?.as_str()?.parse().ok()?;
        (!id.is_nil()).then_some(id)
    }
}
