//! What an action does, with its option as types and its variables filled in.
//!
//! Serialized it is again VoIPBIN's `{"type": ..., "option": {...}}`, so it also is what one domain asks
//! another to do.

mod dial;
mod dtmf;
mod jump;
mod outward;
mod sound;

use protocol::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use dial::{Anonymous, Call, ConfbridgeJoin, Connect, Hangup, HangupReason};
pub(crate) use dtmf::{DigitsReceive, DigitsSend};
pub(crate) use jump::{Branch, ConditionCallDigits, ConditionVariable, Goto};
pub(crate) use outward::{Fetch, HttpMethod, VariableSet, WebhookSend};
pub(crate) use sound::{DigitsHandle, Play, Sleep, Talk};

use super::action::Kind;
use super::reader::{Fields, Stage};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "option", rename_all = "snake_case")]
pub(crate) enum Instruction {
    Answer,
    Beep,
    /// Nothing, until somebody says that the flow goes on.
    Block,
    Branch(Branch),
    Call(Call),
    ConditionCallDigits(ConditionCallDigits),
    ConditionVariable(ConditionVariable),
    ConfbridgeJoin(ConfbridgeJoin),
    Connect(Connect),
    DigitsReceive(DigitsReceive),
    DigitsSend(DigitsSend),
    Fetch(Fetch),
    Goto(Goto),
    Hangup(Hangup),
    Play(Play),
    Sleep(Sleep),
    /// The end of the whole activeflow, from any frame.
    Stop,
    Talk(Talk),
    VariableSet(VariableSet),
    WebhookSend(WebhookSend),
}

impl Instruction {
    /// Reads an option.
    ///
    /// # Errors
    /// Name the field by its path below `path`.
    pub(super) fn read(kind: Kind, option: &Map<String, Value>, path: String, stage: Stage) -> Result<Self> {
        let mut fields = Fields::new(option, path, stage);
        let instruction = Self::of(kind, &mut fields)?;
        fields.end()?;
        Ok(instruction)
    }

    fn of(kind: Kind, fields: &mut Fields<'_>) -> Result<Self> {
        Ok(match kind {
            Kind::Answer => Instruction::Answer,
            Kind::Beep => Instruction::Beep,
            Kind::Block => Instruction::Block,
            Kind::Stop | Kind::Mark => Instruction::Stop,
            Kind::Branch => Instruction::Branch(Branch::read(fields)?),
            Kind::Call => Instruction::Call(Call::read(fields)?),
            Kind::ConditionCallDigits => Instruction::ConditionCallDigits(ConditionCallDigits::read(fields)?),
            Kind::ConditionVariable => Instruction::ConditionVariable(ConditionVariable::read(fields)?),
            Kind::ConfbridgeJoin => Instruction::ConfbridgeJoin(ConfbridgeJoin::read(fields)?),
            Kind::Connect => Instruction::Connect(Connect::read(fields)?),
            Kind::DigitsReceive => Instruction::DigitsReceive(DigitsReceive::read(fields)?),
            Kind::DigitsSend => Instruction::DigitsSend(DigitsSend::read(fields)?),
            Kind::Fetch => Instruction::Fetch(Fetch::read(fields)?),
            Kind::Goto => Instruction::Goto(Goto::read(fields)?),
            Kind::Hangup => Instruction::Hangup(Hangup::read(fields)?),
            Kind::Play => Instruction::Play(Play::read(fields)?),
            Kind::Sleep => Instruction::Sleep(Sleep::read(fields)?),
            Kind::Talk => Instruction::Talk(Talk::read(fields)?),
            Kind::VariableSet => Instruction::VariableSet(VariableSet::read(fields)?),
            Kind::WebhookSend => Instruction::WebhookSend(WebhookSend::read(fields)?),
        })
    }

    /// The actions it may jump to, each with its field; nil ones are given by a variable or not at all.
    pub(super) fn targets(&self) -> Vec<(String, Uuid)> {
        match self {
            Instruction::Branch(branch) => branch.targets(),
            Instruction::Goto(goto) => vec![("target_id".to_owned(), goto.target_id)],
            Instruction::ConditionCallDigits(ConditionCallDigits { false_target_id, .. })
            | Instruction::ConditionVariable(ConditionVariable { false_target_id, .. }) => {
                vec![("false_target_id".to_owned(), *false_target_id)]
            }
            Instruction::Answer
            | Instruction::Beep
            | Instruction::Block
            | Instruction::Call(_)
            | Instruction::ConfbridgeJoin(_)
            | Instruction::Connect(_)
            | Instruction::DigitsReceive(_)
            | Instruction::DigitsSend(_)
            | Instruction::Fetch(_)
            | Instruction::Hangup(_)
            | Instruction::Play(_)
            | Instruction::Sleep(_)
            | Instruction::Stop
            | Instruction::Talk(_)
            | Instruction::VariableSet(_)
            | Instruction::WebhookSend(_) => Vec::new(),
        }
    }
}
