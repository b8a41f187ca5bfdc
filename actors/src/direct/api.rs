//! Opaque public names of resources.

use protocol::{Command, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use super::DIRECT;

/// The name of a resource, made when it has none. Asked of the collection; the scope is the customer's.
#[derive(Serialize, Deserialize)]
pub(crate) struct NameResource {
    /// `agent`, `extension`, `flow`, `conference`, `queue`, `ai`, `ai_team`, `webchat_widget`.
    pub(crate) resource_type: String,
    pub(crate) resource_id: Uuid,
    /// Replace the name it has.
    #[serde(default)]
    pub(crate) regenerate: bool,
}

impl Command for NameResource {
    const VERB: Verb = Verb::internal("name");
    type Reply = Named;
}

/// What `direct.<12 hex>` stands for. Asked of the collection.
#[derive(Serialize, Deserialize)]
pub(crate) struct FindDirect {
    pub(crate) hash: String,
}

impl Command for FindDirect {
    const VERB: Verb = Verb::internal("find");
    type Reply = Option<Named>;
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: Uuid,
    pub(crate) customer_id: Uuid,
    pub(crate) resource_type: String,
    pub(crate) resource_id: Uuid,
    pub(crate) hash: String,
}

/// Takes the name of a resource away. One that has none is no error. Asked of the collection.
#[derive(Serialize, Deserialize)]
pub(crate) struct Unname {
    pub(crate) resource_id: Uuid,
}

impl Command for Unname {
    const VERB: Verb = Verb::internal("unname");
    type Reply = ();
}
