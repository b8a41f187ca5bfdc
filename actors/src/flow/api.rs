//! What other domains may know of flows: what an action is once its variables are filled in, and the check
//! of a list of actions that comes with a call.

use protocol::Result;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use super::option::{HangupReason, Instruction, Play, Talk};
pub(crate) use super::state::Turn;

/// Checks actions as if they were saved as a flow, and answers them with their ids. None is no error.
pub(crate) fn check_actions(actions: &[Value]) -> Result<Vec<Value>> {
    if actions.is_empty() {
        return Ok(Vec::new());
    }
    let checked = super::check::actions(&json!(actions), Uuid::new_v4(), &|_| false)?;
    Ok(checked.into_iter().map(|action| json!(action)).collect())
}
