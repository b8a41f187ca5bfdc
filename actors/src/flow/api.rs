//! What other domains may know of flows: what an action is once its variables are filled in, and the check
//! of a list of actions that comes with a call. Then what a service does with the activeflow it serves: each
//! is asked of one activeflow, answers its row, and is refused with `STATE_INVALID` when it has ended.

use protocol::{Command, Result, Row, Verb};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::variables::Texts;

pub(crate) use super::ACTIVEFLOW;
pub(crate) use super::hear::Hear;
pub(crate) use super::option::{DigitsSend, Hangup, HangupReason, Instruction, Play, Talk};
pub(crate) use super::state::Turn;

/// Checks actions as if they were saved as a flow, and answers them with their ids. None is no error.
pub(crate) fn check_actions(actions: &[Value]) -> Result<Vec<Value>> {
    if actions.is_empty() {
        return Ok(Vec::new());
    }
    let checked = super::check::actions(&json!(actions), Uuid::new_v4(), &|_| false)?;
    Ok(checked.into_iter().map(|action| json!(action)).collect())
}

/// Puts actions on top: they run when the current action is through, those pushed last first.
#[derive(Serialize, Deserialize)]
pub(crate) struct PushActions {
    /// Names them for [`StopService`]; nil: nobody stops them.
    #[serde(default)]
    pub(crate) service_id: Uuid,
    pub(crate) actions: Vec<Value>,
}

impl Command for PushActions {
    const VERB: Verb = Verb::internal("push_actions");
    type Reply = Row;
}

/// Adds actions behind the current one, which a service pushed.
#[derive(Serialize, Deserialize)]
pub(crate) struct AddActions {
    pub(crate) actions: Vec<Value>,
}

impl Command for AddActions {
    const VERB: Verb = Verb::internal("add_actions");
    type Reply = Row;
}

/// Takes the actions of a service away, with all above them. The flow goes on below.
#[derive(Serialize, Deserialize)]
pub(crate) struct StopService {
    pub(crate) service_id: Uuid,
}

impl Command for StopService {
    const VERB: Verb = Verb::internal("service_stop");
    type Reply = Row;
}

/// Goes on behind the `block` that the activeflow waits at.
#[derive(Serialize, Deserialize)]
pub(crate) struct GoOn {
    pub(crate) current_action_id: Uuid,
}

impl Command for GoOn {
    const VERB: Verb = Verb::internal("continue");
    type Reply = Row;
}

/// Makes an action the next one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Forward {
    pub(crate) forward_action_id: Uuid,
    /// Without waiting for the end of the current one.
    #[serde(default)]
    pub(crate) forward_now: bool,
}

impl Command for Forward {
    const VERB: Verb = Verb::internal("forward");
    type Reply = Row;
}

/// Changes variables: all of these or none.
#[derive(Serialize, Deserialize)]
pub(crate) struct SetVariables {
    #[serde(default)]
    pub(crate) set: Texts,
    #[serde(default)]
    pub(crate) remove: Vec<String>,
}

impl Command for SetVariables {
    const VERB: Verb = Verb::internal("set_variables");
    type Reply = Row;
}
