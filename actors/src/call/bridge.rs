//! One live confbridge: who is in it, who is expected, when they hear each other, when it ends.
//!
//! A `connect` bridge ends when one member is left and nobody is expected any more: a caller is never left
//! alone with a ringback tone.

use std::sync::Arc;

use protocol::ports::Unit;
use protocol::{Result, Row, read};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::calls::{Calls, on_behalf, patch};
use super::session;
use crate::kernel::{Living, Myself, Then};

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) call: Uuid,
    pub(super) incoming: bool,
    /// Answered.
    pub(super) up: bool,
}

pub(super) enum Msg {
    /// A call or a group that is on its way here.
    Expect(Uuid),
    Join(Member),
    Left(Uuid),
    /// A call that was on its way here rings, was answered, or is gone. Also of groups, when they are over.
    Ringing,
    Answered(Uuid),
    Gone(Uuid),
}

/// What a bridge tells a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    /// Somebody rings: let it be heard.
    Ring,
    Answer,
    Enter(Uuid),
    Out(Uuid),
}

pub(super) struct Bridge {
    pub(super) id: Uuid,
    calls: Arc<Calls>,
    row: Arc<Row>,
    customer: Uuid,
    members: Vec<Member>,
    expected: Vec<Uuid>,
    /// Who was gone before it was named as expected.
    gone: Vec<Uuid>,
    over: bool,
}

#[derive(Deserialize)]
struct Facts {
    id: Uuid,
    customer_id: Uuid,
    expected_ids: Vec<Uuid>,
}

impl Bridge {
    pub(super) fn new(calls: Arc<Calls>, row: Row) -> Result<Self> {
        let Facts { id, customer_id, expected_ids } = read(&row)?;
        let members = Vec::new();
        let (expected, gone) = (expected_ids, Vec::new());
        Ok(Bridge {
            id,
            calls,
            row: Arc::new(row),
            customer: customer_id,
            members,
            expected,
            gone,
            over: false,
        })
    }

    async fn write(&mut self, mut patch: Row, what: &str) -> Result<()> {
        patch.insert("call_ids".into(), json!(self.members.iter().map(|m| m.call).collect::<Vec<_>>()));
        patch.insert("expected_ids".into(), json!(self.expected));
        let mut unit = Unit::default();
        let by = on_behalf(self.customer);
        let row = self.calls.bridge_rows().amend(&mut unit, (&self.row, patch), what, &by)?;
        self.calls.deps.store.commit(unit).await?;
        self.row = row;
        Ok(())
    }

    fn say(&self, call: Uuid, word: Word) {
        let _ = self.calls.live.insist(call, session::Msg::Bridge(word));
    }

    async fn join(&mut self, member: Member) -> Result<()> {
        if self.over {
            self.say(member.call, Word::Out(self.id));
            return Ok(());
        }
        self.members.retain(|known| known.call != member.call);
        self.members.push(member);
        self.expected.retain(|id| *id != member.call);
        self.write(patch([("joined_call_id", json!(member.call))]), "joined").await?;
        self.introduce();
        Ok(())
    }

    /// Answers who must be answered and lets those in who can hear each other.
    fn introduce(&self) {
        match self.members.as_slice() {
            [] => {}
            [alone] => self.say(alone.call, Word::Ring),
            members => {
                let ringing = members.iter().any(|member| !member.incoming && !member.up);
                for member in members {
                    if !ringing {
                        self.say(member.call, Word::Answer);
                    }
                    self.say(member.call, Word::Enter(self.id));
                }
            }
        }
    }

    fn answered(&mut self, call: Uuid) {
        let Some(member) = self.members.iter_mut().find(|member| member.call == call) else { return };
        if !member.up {
            member.up = true;
            if self.members.len() > 1 {
                self.introduce();
            }
        }
    }

    async fn left(&mut self, call: Uuid) -> Result<Then> {
        self.expected.retain(|id| *id != call);
        let before = self.members.len();
        self.members.retain(|member| member.call != call);
        if self.members.len() < before {
            self.write(patch([("leaved_call_id", json!(call))]), "leaved").await?;
        }
        if self.members.len() <= 1 && self.expected.is_empty() {
            self.terminate().await
        } else {
            Ok(Then::Go)
        }
    }

    async fn terminate(&mut self) -> Result<Then> {
        if !self.over {
            self.over = true;
            self.write(patch([("status", json!("terminating"))]), "terminating").await?;
            for member in std::mem::take(&mut self.members) {
                self.say(member.call, Word::Out(self.id));
            }
            self.write(patch([("status", json!("terminated"))]), "terminated").await?;
        }
        Ok(Then::End)
    }
}

impl Living for Bridge {
    type Message = Msg;

    async fn handle(&mut self, message: Msg, _: &Myself<Msg>) -> Result<Then> {
        match message {
            Msg::Expect(id) => {
                if !self.gone.contains(&id) && self.members.iter().all(|member| member.call != id) {
                    self.expected.push(id);
                }
            }
            Msg::Join(member) => self.join(member).await?,
            Msg::Left(call) => return self.left(call).await,
            Msg::Gone(call) => {
                self.gone.push(call);
                return self.left(call).await;
            }
            Msg::Answered(call) => self.answered(call),
            Msg::Ringing => {
                if let [alone] = self.members.as_slice() {
                    self.say(alone.call, Word::Ring);
                }
            }
        }
        Ok(Then::Go)
    }
}
