//! From a username and a password to the agent. Unknown and wrong ones cost the same time and get the same
//! answer.

use std::sync::Arc;

use protocol::identity::{AgentStanding, Login};
use protocol::ports::Filter;
use protocol::{Context, Error, Result, Scope, Status, read};
use serde::Deserialize;

use super::{Agents, add};

/// No username is longer: it stands in an indexed column.
const LONGEST: usize = 255;

#[derive(Deserialize)]
struct Lock {
    password: String,
}

pub(super) async fn login(agents: Arc<Agents>, _: Context, command: Login) -> Result<AgentStanding> {
    let name = add::username(&command.username);
    let found = match name.len() {
        1..=LONGEST => agents.rows().find(Scope::Platform, Filter::by("username", name)).await?,
        _ => None,
    };
    let lock = found.as_ref().map(read::<Lock>).transpose()?.map(|lock| lock.password);
    let opened = agents.hashing.verify(command.password, lock).await?;
    match found.filter(|_| opened) {
        Some(row) => read(&row),
        None => Err(Error::new(
            Status::Unauthenticated,
            "INVALID_CREDENTIALS",
            "The username or the password is wrong.",
        )),
    }
}
