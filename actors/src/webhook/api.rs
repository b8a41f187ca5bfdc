//! Telling the world outside, for the flow that wants to say something of its own.

use protocol::{Command, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use super::DELIVERY;

/// Sends a text to an address that a flow chose. It is not signed: a flow must not obtain the customer's
/// signature. Answers the delivery's id when it is stored; the answer of the address is not waited for.
/// Asked of the collection of deliveries.
#[derive(Serialize, Deserialize)]
pub(crate) struct SendWebhook {
    pub(crate) customer_id: Uuid,
    pub(crate) uri: String,
    /// Empty: POST.
    pub(crate) method: String,
    /// The content type; empty: `application/json`.
    pub(crate) data_type: String,
    pub(crate) data: String,
    /// Names what is sent: the same one given twice is sent once.
    #[serde(default)]
    pub(crate) key: Option<Uuid>,
}

impl Command for SendWebhook {
    const VERB: Verb = Verb::internal("send");
    type Reply = Uuid;
}
