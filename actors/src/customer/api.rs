//! What other domains may know of a customer.

use protocol::{Command, Row, Rule, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use super::CUSTOMER;
pub(crate) use super::check::is_email;

/// What a customer allows and where its webhooks go. Asked of one customer.
#[derive(Serialize, Deserialize)]
pub(crate) struct ReadProfile {}

impl Command for ReadProfile {
    const VERB: Verb = Verb::internal("profile");
    type Reply = Profile;
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) id: Uuid,
    /// `initial`, `active`, `frozen`, `deleted`, `expired`.
    pub(crate) status: String,
    /// `none`, `pending`, `verified`, `rejected`: only `verified` may call the telephone network.
    pub(crate) identity_verification_status: String,
    pub(crate) webhook_method: String,
    pub(crate) webhook_uri: String,
    /// In the clear: this answer stays between domains.
    pub(crate) webhook_secret: String,
}

/// Says whether the customer is who it claims to be: `none`, `pending`, `verified`, `rejected`. Asked of one
/// customer, by operators and by the node that makes the first one.
#[derive(Serialize, Deserialize)]
pub struct SetIdentityVerification {
    pub identity_verification_status: String,
}

impl Command for SetIdentityVerification {
    const VERB: Verb = Verb::put("identity_verification_status").rule(Rule::Platform);
    type Reply = Row;
}
