//! New agents: those that a customer makes within its plan, and the first admin, whom the node makes.

use std::sync::Arc;

use protocol::identity::{AgentStanding, permission};
use protocol::ports::Filter;
use protocol::{Address, Context, Result, Row, Scope, read};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::CreateAdmin;
use super::{AGENT, Agents, add, addresses};
use crate::billing::api::{ACCOUNT, CheckLimit};

#[derive(Deserialize)]
struct Wanted {
    username: String,
    password: String,
    #[serde(default)]
    addresses: Vec<Address>,
}

pub(super) async fn create(agents: Arc<Agents>, by: Context, row: Row) -> Result<Value> {
    let wanted = wanted(&row)?;
    let addresses = addresses::admit(&agents, &by, wanted.addresses).await?;
    let count = agents.deps.store.count(&AGENT, by.scope, &Filter::default()).await?;
    agents.deps.ask_all(&ACCOUNT, CheckLimit { resource: "agent".into(), count }, &by).await?;
    let credentials = (add::username(&wanted.username), wanted.password);
    let row = add::add(&agents, &by, row, (&credentials.0, credentials.1), addresses).await?;
    Ok(Value::Object(row))
}

pub(super) async fn create_admin(
    agents: Arc<Agents>,
    by: Context,
    command: CreateAdmin,
) -> Result<AgentStanding> {
    let by = Context { scope: Scope::Customer(command.customer_id), ..by };
    let body = json!({"username": command.username, "password": command.password});
    let mut row = AGENT.pick_new(&body)?;
    let platform = if command.platform { permission::PLATFORM } else { 0 };
    row.insert("permission".into(), json!(permission::ADMIN | platform));
    row.insert("name".into(), json!("default admin"));
    let name = add::username(&command.username);
    let row = add::add(&agents, &by, row, (&name, command.password), Vec::new()).await?;
    read(&row)
}

/// Addresses come as any JSON: what is wrong with them is the caller's mistake, not ours.
fn wanted(row: &Row) -> Result<Wanted> {
    Wanted::deserialize(Value::Object(row.clone()))
        .map_err(|error| protocol::Error::invalid(error.to_string()))
}
