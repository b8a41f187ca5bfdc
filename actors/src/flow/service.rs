//! What other domains do with an activeflow while they serve it: a queue, a conference, an AI.

use std::sync::Arc;

use protocol::{Context, Result, Row};
use serde_json::json;
use uuid::Uuid;

use super::action::Action;
use super::api::{AddActions, Forward, GoOn, PushActions, SetVariables, StopService};
use super::check;
use super::flows::Flows;
use super::machine::Input;
use super::run::Msg;

pub(super) async fn push_actions(flows: Arc<Flows>, by: Context, id: Uuid, push: PushActions) -> Result<Row> {
    let actions = checked(&push.actions)?;
    flows.give(&by, id, Input::Pushed { frame: push.service_id, actions }).await
}

pub(super) async fn add_actions(flows: Arc<Flows>, by: Context, id: Uuid, add: AddActions) -> Result<Row> {
    let actions = checked(&add.actions)?;
    flows.give(&by, id, Input::Inserted { actions }).await
}

pub(super) async fn stop_service(flows: Arc<Flows>, by: Context, id: Uuid, stop: StopService) -> Result<Row> {
    flows.give(&by, id, Input::ServiceStop { frame: stop.service_id }).await
}

pub(super) async fn go_on(flows: Arc<Flows>, by: Context, id: Uuid, go_on: GoOn) -> Result<Row> {
    flows.rows().get(by.scope, id).await?;
    let row = flows.ask(&by, id, |reply| Msg::GoOn(go_on.current_action_id, reply)).await?;
    Ok(Arc::unwrap_or_clone(row))
}

pub(super) async fn forward(flows: Arc<Flows>, by: Context, id: Uuid, to: Forward) -> Result<Row> {
    let input = Input::Forward { action_id: to.forward_action_id, now: to.forward_now };
    flows.give(&by, id, input).await
}

pub(super) async fn set_variables(
    flows: Arc<Flows>,
    by: Context,
    id: Uuid,
    variables: SetVariables,
) -> Result<Row> {
    let SetVariables { set, remove } = variables;
    flows.give(&by, id, Input::Variables { set, remove }).await
}

/// A list of its own: its names are nobody else's.
fn checked(actions: &[serde_json::Value]) -> Result<Vec<Action>> {
    check::actions(&json!(actions), Uuid::new_v4(), &|_| false)
}
