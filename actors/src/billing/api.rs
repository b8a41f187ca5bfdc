//! May this be done, and for how long? Asked before it is done; what was done is charged from events.

use protocol::{Address, Command, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use super::ACCOUNT;

/// The id of a customer's account. It is known before the account is.
pub(crate) fn account_of(customer: Uuid) -> Uuid {
    Uuid::new_v5(&customer, b"billing_account")
}

/// Sets the first minute of a call aside. Refused with `INSUFFICIENT_BALANCE` when the account of the
/// request's customer cannot pay it, is frozen, or is gone. Asked of the collection of accounts. Setting
/// aside twice for one call is one reservation. Free calls (extension to extension) need no balance.
#[derive(Serialize, Deserialize)]
pub(crate) struct ReserveCall {
    pub(crate) call_id: Uuid,
    /// `incoming` or `outgoing`.
    pub(crate) direction: String,
    pub(crate) source: Address,
    pub(crate) destination: Address,
}

impl Command for ReserveCall {
    const VERB: Verb = Verb::internal("reserve_call");
    type Reply = ();
}

/// Sets the next minute aside, after `minutes` that are already. The call ends when this is refused.
/// Asked of the collection of accounts.
#[derive(Serialize, Deserialize)]
pub(crate) struct ExtendCall {
    pub(crate) call_id: Uuid,
    pub(crate) minutes: u32,
    /// When the call was answered.
    #[serde(default)]
    pub(crate) since: Option<String>,
}

impl Command for ExtendCall {
    const VERB: Verb = Verb::internal("extend_call");
    type Reply = ();
}

/// Is one more resource of this kind within the customer's plan (`extension`, `agent`, `trunk`,
/// `virtual_number`)? Refused with `RESOURCE_LIMIT_EXCEEDED`. Asked of the collection of accounts.
#[derive(Serialize, Deserialize)]
pub(crate) struct CheckLimit {
    pub(crate) resource: String,
    /// How many the customer has now.
    pub(crate) count: u64,
}

impl Command for CheckLimit {
    const VERB: Verb = Verb::internal("check_limit");
    type Reply = ();
}
