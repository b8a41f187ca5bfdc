//! What an agent may do right now.

use std::sync::Arc;

use protocol::identity::{AgentStanding, ReadAgent};
use protocol::{Context, Result, read};
use uuid::Uuid;

use super::Agents;

pub(super) async fn standing(
    agents: Arc<Agents>,
    by: Context,
    id: Uuid,
    _: ReadAgent,
) -> Result<AgentStanding> {
    read(&agents.rows().get(by.scope, id).await?)
}
