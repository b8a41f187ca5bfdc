//! What every new agent goes through, whoever makes it.

use protocol::ports::{Filter, Unit};
use protocol::{Address, Context, Error, Result, Row, Scope, Status};
use serde_json::{Value, json};
use tracing::warn;
use uuid::Uuid;

use super::{Agents, addresses};
use crate::customer::api::is_email;
use crate::direct::api::{DIRECT, NameResource, Unname};

pub(super) fn check_username(value: &Value) -> Result<()> {
    match value.as_str().is_some_and(is_email) {
        true => Ok(()),
        false => {
            Err(Error::new(Status::InvalidArgument, "INVALID_USERNAME_FORMAT", "must be an e-mail address"))
        }
    }
}

/// Usernames differ by more than the case of their letters.
pub(super) fn username(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Hashes the password, names the agent and stores it with its addresses.
pub(super) async fn add(
    agents: &Agents,
    by: &Context,
    mut row: Row,
    (name, password): (&str, String),
    addresses: Vec<Address>,
) -> Result<Row> {
    by.customer()?;
    if is_taken(agents, name).await? {
        return Err(exists());
    }
    let id = Uuid::now_v7();
    let named = NameResource { resource_type: "agent".into(), resource_id: id, regenerate: false };
    row.extend([
        ("id".to_owned(), json!(id)),
        ("username".to_owned(), json!(name)),
        ("password".to_owned(), json!(agents.hashing.hash(password).await?)),
        ("status".to_owned(), json!("offline")),
        ("chosen_status".to_owned(), json!("offline")),
        ("addresses".to_owned(), json!(addresses)),
        ("direct_hash".to_owned(), json!(agents.deps.ask_all(&DIRECT, named, by).await?.hash)),
    ]);
    let mut unit = Unit::default();
    let row = agents.rows().draft(&mut unit, row, by)?;
    addresses::take(agents, &mut unit, by, (id, &addresses)).await?;
    match agents.deps.store.commit(unit).await {
        Ok(()) => Ok(row),
        Err(error) => Err(undo(agents, by, (id, name), error).await),
    }
}

/// Nobody must find the name of an agent that never was.
async fn undo(agents: &Agents, by: &Context, (id, name): (Uuid, &str), error: Error) -> Error {
    if let Err(error) = agents.deps.ask_all(&DIRECT, Unname { resource_id: id }, by).await {
        warn!(agent = %id, %error, "direct hash of a refused agent not removed");
    }
    if error.status != Status::AlreadyExists {
        return error;
    }
    match is_taken(agents, name).await {
        Ok(true) => exists(),
        Ok(false) => addresses::assigned(),
        Err(error) => error,
    }
}

async fn is_taken(agents: &Agents, name: &str) -> Result<bool> {
    Ok(agents.rows().find(Scope::Platform, Filter::by("username", name)).await?.is_some())
}

fn exists() -> Error {
    Error::new(Status::AlreadyExists, "AGENT_ALREADY_EXISTS", "An agent with this username exists already.")
}
