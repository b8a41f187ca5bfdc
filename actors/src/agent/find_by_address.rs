//! Whose address this is.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Result, Scope, read};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::api::FindByAddress;
use super::{Agents, addresses};

#[derive(Deserialize)]
struct Place {
    agent_id: Uuid,
}

pub(super) async fn find(agents: Arc<Agents>, _: Context, command: FindByAddress) -> Result<Option<Uuid>> {
    // an address that nobody can have is nobody's
    let Ok(address) = command.address.normalise() else { return Ok(None) };
    let key = addresses::key(command.customer_id, &address);
    let scope = Scope::Customer(command.customer_id);
    let place = agents.places().find(scope, Filter::by("address_key", json!(key))).await?;
    place.map(|place| Ok(read::<Place>(&place)?.agent_id)).transpose()
}
