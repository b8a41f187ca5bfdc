//! What the gateway asks so that a request with an `Idempotency-Key` is carried out once, however often it is
//! sent: claim the key, carry the request out, settle the claim with the answer or release it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Command, Verb};

/// The resource that claims are kept as.
pub const RESOURCE: &str = "idempotency_key";

/// How long a key stands for its request, from its claim.
pub const KEPT: TimeDelta = TimeDelta::hours(24);

/// How long a claim without an answer counts as being carried out: longer than any request takes, with its
/// claim, its work past the deadline, and the tries to settle it. After it whoever held the claim is dead.
pub const LEASE: TimeDelta = TimeDelta::seconds(120);

/// The largest answer that is kept, in bytes: more than a page of rows, and never a reason to fill a disk.
pub const LARGEST: usize = 256 * 1024;

/// Claims a key for one request. Asked of the collection of keys. Claimed again under the same `id` it is
/// still [`Standing::Yours`].
#[derive(Serialize, Deserialize)]
pub struct Claim {
    /// The claim's own, made by whoever claims: a lost answer is no lost claim.
    pub id: Uuid,
    /// The key, as the digest of what it says and whose it is.
    pub name: String,
    /// The digest of everything that makes the request this one.
    pub fingerprint: String,
}

impl Command for Claim {
    const VERB: Verb = Verb::internal("claim");
    type Reply = Standing;
}

/// What a key stands for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody's until now: carry the request out, then settle or release the claim.
    Yours,
    /// The request is being carried out.
    InProgress,
    /// Another request: another caller, method, path, query or body.
    Another,
    Settled(Outcome),
}

/// How a request with a key ended.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Answered(Answer),
    /// Answered with this status and a body beyond [`LARGEST`].
    TooLarge(u16),
    /// Nobody knows whether it was done.
    Unknown,
}

/// An answer as it left.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub code: u16,
    /// Empty for an answer without a body.
    pub content_type: String,
    pub body: String,
}

/// Notes how the request ended. Asked of one claim; one that is settled stays as it is, one that is gone is
/// not found.
#[derive(Serialize, Deserialize)]
pub struct Settle {
    pub outcome: Outcome,
}

impl Command for Settle {
    const VERB: Verb = Verb::internal("settle");
    type Reply = ();
}

/// Gives the key back: the request was not carried out and may be sent again. Asked of one claim; one that is
/// settled stays, one that is gone was released.
#[derive(Serialize, Deserialize)]
pub struct Release {}

impl Command for Release {
    const VERB: Verb = Verb::internal("release");
    type Reply = ();
}
