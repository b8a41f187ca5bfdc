//! What other domains may know of an agent.

use protocol::identity::AgentStanding;
use protocol::{Address, Command, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use super::AGENT;

/// Where an agent is reached. Asked of one agent.
#[derive(Serialize, Deserialize)]
pub(crate) struct ReadReach {}

impl Command for ReadReach {
    const VERB: Verb = Verb::internal("reach");
    type Reply = Reach;
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Reach {
    /// `ringall` or `linear`.
    pub(crate) ring_method: String,
    pub(crate) addresses: Vec<Address>,
}

/// The agent of a customer that has this address. Asked of the collection.
#[derive(Serialize, Deserialize)]
pub(crate) struct FindByAddress {
    pub(crate) customer_id: Uuid,
    pub(crate) address: Address,
}

impl Command for FindByAddress {
    const VERB: Verb = Verb::internal("find_by_address");
    type Reply = Option<Uuid>;
}

/// Makes the first admin of a customer, beyond its plan: the node does so at its first start. Asked of the
/// collection. A taken username is refused with `AGENT_ALREADY_EXISTS`.
#[derive(Serialize, Deserialize)]
pub struct CreateAdmin {
    pub customer_id: Uuid,
    pub username: String,
    pub password: String,
    /// Also an operator of the whole installation.
    #[serde(default)]
    pub platform: bool,
}

impl Command for CreateAdmin {
    const VERB: Verb = Verb::internal("create_admin");
    type Reply = AgentStanding;
}
