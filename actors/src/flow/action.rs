//! One step of a flow, in the form that clients send, rows hold and events carry.
//!
//! The `option` here was checked when the flow was saved but may hold `${variables}`. What runs is the
//! [`Instruction`](super::option::Instruction) read from it after they were filled in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// VoIPBIN's reserved ids: the cursor before the first action, and the end of every flow.
pub(crate) const START: Uuid = Uuid::from_u128(1);
pub(crate) const FINISH: Uuid = Uuid::from_u128(2);
/// The largest reserved id (VoIPBIN's "next"). No action of a client may have one of them.
pub(super) const RESERVED: Uuid = Uuid::from_u128(3);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Action {
    pub(crate) id: Uuid,
    /// What follows; nil: the action after it in the list.
    #[serde(default)]
    pub(crate) next_id: Uuid,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) option: Map<String, Value>,
    /// When it began, RFC 3339; only of an action that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tm_execute: Option<String>,
}

impl Action {
    /// One that the platform makes itself. Its option is as checked as its caller made it.
    pub(crate) fn new(id: Uuid, kind: Kind, option: Map<String, Value>) -> Self {
        Action { id, next_id: Uuid::nil(), kind, option, tm_execute: None }
    }

    /// The start or the finish, where VoIPBIN's clients expect an action.
    pub(super) fn mark(id: Uuid) -> Self {
        Action::new(id, Kind::Mark, Map::new())
    }
}

/// The action types this platform runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Answer,
    Beep,
    Block,
    Branch,
    Call,
    ConditionCallDigits,
    ConditionVariable,
    ConfbridgeJoin,
    Connect,
    DigitsReceive,
    DigitsSend,
    Fetch,
    Goto,
    Hangup,
    Play,
    Sleep,
    Stop,
    Talk,
    VariableSet,
    WebhookSend,
    /// The reserved start and finish; never part of a flow.
    #[serde(rename = "")]
    Mark,
}

/// VoIPBIN's types that no domain here performs. Saving a flow with one is refused, by name.
pub(super) const ELSEWHERE: &[&str] = &[
    "ai_summary",
    "ai_talk",
    "ai_task",
    "amd",
    "case_create",
    "condition_call_status",
    "condition_datetime",
    "conference_join",
    "conversation_send",
    "echo",
    "email_send",
    "external_media_start",
    "external_media_stop",
    "fetch_flow",
    "message_send",
    "mute",
    "queue_join",
    "recording_start",
    "recording_stop",
    "stream_echo",
    "transcribe_recording",
    "transcribe_start",
    "transcribe_stop",
];

/// Who carries an action out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Performer {
    /// The interpreter, within its step.
    Interpreter,
    /// The flow domain, outside the interpreter.
    Flow,
    /// The call that the flow runs for.
    Call,
}

/// What an action needs, and what the thing that a flow runs for offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Media {
    /// An action that runs anywhere; a flow that runs for nothing.
    Any,
    /// Live audio: calls.
    Rtc,
    /// Everything else: conversations, campaigns, API runs.
    NonRtc,
}

impl Media {
    /// What VoIPBIN's `reference_type` offers.
    pub(crate) fn of_reference(reference_type: &str) -> Self {
        match reference_type {
            "" => Media::Any,
            "call" => Media::Rtc,
            _ => Media::NonRtc,
        }
    }

    pub(super) fn offers(self, needed: Media) -> bool {
        needed == Media::Any || needed == self
    }
}

impl Kind {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let kind: Kind = serde_json::from_value(Value::from(name)).ok()?;
        (kind != Kind::Mark).then_some(kind)
    }

    pub(super) fn media(self) -> Media {
        match self {
            Kind::Answer
            | Kind::Beep
            | Kind::ConditionCallDigits
            | Kind::ConfbridgeJoin
            | Kind::Connect
            | Kind::DigitsReceive
            | Kind::DigitsSend
            | Kind::Hangup
            | Kind::Play
            | Kind::Sleep
            | Kind::Talk => Media::Rtc,
            Kind::Block => Media::NonRtc,
            Kind::Branch
            | Kind::Call
            | Kind::ConditionVariable
            | Kind::Fetch
            | Kind::Goto
            | Kind::Stop
            | Kind::VariableSet
            | Kind::WebhookSend
            | Kind::Mark => Media::Any,
        }
    }

    pub(super) fn performer(self) -> Performer {
        match self {
            Kind::Answer
            | Kind::Beep
            | Kind::ConfbridgeJoin
            | Kind::DigitsReceive
            | Kind::DigitsSend
            | Kind::Hangup
            | Kind::Play
            | Kind::Sleep
            | Kind::Talk => Performer::Call,
            Kind::Call | Kind::Connect | Kind::Fetch | Kind::WebhookSend => Performer::Flow,
            Kind::Block
            | Kind::Branch
            | Kind::ConditionCallDigits
            | Kind::ConditionVariable
            | Kind::Goto
            | Kind::Stop
            | Kind::VariableSet
            | Kind::Mark => Performer::Interpreter,
        }
    }

    /// Whether its failure ends the flow: the author counted on where it would lead. After any other
    /// failure the next action runs.
    pub(super) fn is_essential(self) -> bool {
        match self {
            Kind::Branch
            | Kind::Call
            | Kind::ConditionCallDigits
            | Kind::ConditionVariable
            | Kind::Connect
            | Kind::Fetch
            | Kind::Goto => true,
            Kind::Answer
            | Kind::Beep
            | Kind::Block
            | Kind::ConfbridgeJoin
            | Kind::DigitsReceive
            | Kind::DigitsSend
            | Kind::Hangup
            | Kind::Play
            | Kind::Sleep
            | Kind::Stop
            | Kind::Talk
            | Kind::VariableSet
            | Kind::WebhookSend
            | Kind::Mark => false,
        }
    }
}
