//! The questions that the gateway asks to learn who is calling. Domains answer; only the gateway decides.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Command, Verb};

/// An agent's username and password. Wrong ones and unknown ones are the same `INVALID_CREDENTIALS`.
/// Asked of the collection of agents.
#[derive(Serialize, Deserialize)]
pub struct Login {
    pub username: String,
    pub password: String,
}

impl Command for Login {
    const VERB: Verb = Verb::internal("login");
    type Reply = AgentStanding;
}

/// What an agent may do right now. Asked of one agent.
#[derive(Serialize, Deserialize)]
pub struct ReadAgent {}

impl Command for ReadAgent {
    const VERB: Verb = Verb::internal("standing");
    type Reply = AgentStanding;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStanding {
    pub id: Uuid,
    pub customer_id: Uuid,
    pub username: String,
    /// VoIPBIN's permission bits.
    pub permission: u16,
}

/// An access key by the SHA-256 of its token, lower-case hex. Unknown, deleted and expired ones are the
/// same `INVALID_CREDENTIALS`. Asked of the collection of access keys.
#[derive(Serialize, Deserialize)]
pub struct ReadKey {
    pub token_hash: String,
}

impl Command for ReadKey {
    const VERB: Verb = Verb::internal("standing");
    type Reply = KeyStanding;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStanding {
    pub id: Uuid,
    pub customer_id: Uuid,
}

/// Whether a customer's requests are served. Asked of one customer; a deleted one is not found.
#[derive(Serialize, Deserialize)]
pub struct ReadCustomer {}

impl Command for ReadCustomer {
    const VERB: Verb = Verb::internal("standing");
    type Reply = CustomerStanding;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerStanding {
    /// `initial`, `active`, `frozen`, `deleted`, `expired`: only `frozen` blocks.
    pub status: String,
    pub tm_deletion_scheduled: Option<String>,
}

/// VoIPBIN's permission bits.
pub mod permission {
    pub const PLATFORM: u16 = 0x0001;
    pub const AGENT: u16 = 0x0010;
    pub const ADMIN: u16 = 0x0020;
    pub const MANAGER: u16 = 0x0040;
}
