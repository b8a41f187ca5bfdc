//! What other domains may know of a number.

use protocol::{Command, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use super::NUMBER;

/// The live number, with or without its `+`, of any customer. Asked of the collection.
#[derive(Serialize, Deserialize)]
pub(crate) struct FindNumber {
    pub(crate) number: String,
}

impl Command for FindNumber {
    const VERB: Verb = Verb::internal("find");
    type Reply = Option<Found>;
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) id: Uuid,
    pub(crate) customer_id: Uuid,
    /// With `+`, however it was asked for.
    pub(crate) number: String,
    pub(crate) call_flow_id: Uuid,
    /// `normal` or `virtual`; a virtual one is no outgoing source.
    pub(crate) r#type: String,
    /// Only `active` numbers are called or called from.
    pub(crate) status: String,
}
