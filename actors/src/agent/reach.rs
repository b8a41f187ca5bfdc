//! Where an agent is reached.

use std::sync::Arc;

use protocol::{Context, Result, read};
use uuid::Uuid;

use super::Agents;
use super::api::{Reach, ReadReach};

pub(super) async fn reach(agents: Arc<Agents>, by: Context, id: Uuid, _: ReadReach) -> Result<Reach> {
    read(&agents.rows().get(by.scope, id).await?)
}
