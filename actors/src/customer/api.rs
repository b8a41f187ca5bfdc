//! What other domains may know of a customer.

use protocol::{Command, Row, Rule, Verb};
use serde::{Deserialize, Serialize};
use tokio::time::Duration;
use uuid::Uuid;

pub(crate) use super::CUSTOMER;
pub(crate) use super::check::is_email;

/// For so long other nodes may go by what they have read of a customer. A change is answered after it.
pub(crate) const SETTLED: Duration = Duration::from_millis(200);

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

impl Profile {
    pub(super) const COLUMNS: &[&str] =
        &["id", "status", "identity_verification_status", "webhook_method", "webhook_uri", "webhook_secret"];
}

/// Makes the first customer of the installation with its access key, both as the node has drawn them. Asked of the
/// collection, as often as it takes: what is there stays as it is.
#[derive(Serialize, Deserialize)]
pub struct Found {
    pub customer_id: Uuid,
    pub name: String,
    pub email: String,
    pub webhook_secret: String,
    /// With the mark of a key in front.
    pub accesskey: String,
    /// How long the key lives.
    pub key_seconds: i64,
}

impl Command for Found {
    const VERB: Verb = Verb::internal("found");
    type Reply = Founded;
}

#[derive(Serialize, Deserialize)]
pub struct Founded {
    pub customer_id: Uuid,
    /// False: a customer with this e-mail address was there, with an id and a secret of its own.
    pub is_as_drawn: bool,
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
