//! What the voice engine and other domains ask of extensions and trunks.

use std::net::IpAddr;

use protocol::ports::voice::{Contact, Subject};
use protocol::{Command, Reply, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use super::EXTENSION;
pub(crate) use super::host::registrar_realm;

/// What to do with a SIP request for `domain` from `source`. Asked of the collection of extensions.
#[derive(Serialize, Deserialize)]
pub(crate) struct FindGate {
    pub(crate) domain: String,
    pub(crate) from_domain: String,
    pub(crate) source: IpAddr,
}

impl Command for FindGate {
    const VERB: Verb = Verb::internal("gate");
    type Reply = GateAnswer;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GateAnswer {
    Unknown,
    Trusted(Subject),
    Open,
    Challenge { realm: String },
}

/// What a digest answer is checked against. Asked of the collection of extensions.
#[derive(Serialize, Deserialize)]
pub(crate) struct FindSecret {
    pub(crate) realm: String,
    pub(crate) username: String,
}

impl Command for FindSecret {
    const VERB: Verb = Verb::internal("secret");
    type Reply = Option<SecretAnswer>;
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SecretAnswer {
    pub(crate) subject: Subject,
    /// Lower-case hex MD5 of `username:realm:password`.
    pub(crate) ha1: String,
}

/// Adds, refreshes or removes contacts of an extension and answers those that are left, at most three.
#[derive(Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) contacts: Vec<Contact>,
    /// Remove every one first (`Contact: *`).
    #[serde(default)]
    pub(crate) all: bool,
}

impl Command for Bind {
    const VERB: Verb = Verb::internal("bind");
    type Reply = Vec<Contact>;
}

/// The extension of a customer with this number. Asked of the collection of extensions.
#[derive(Serialize, Deserialize)]
pub(crate) struct FindExtension {
    pub(crate) customer_id: Uuid,
    pub(crate) extension: String,
}

impl Command for FindExtension {
    const VERB: Verb = Verb::internal("find").reply(Reply::Document);
    type Reply = Option<FoundExtension>;
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FoundExtension {
    pub(crate) id: Uuid,
    pub(crate) extension: String,
    pub(crate) name: String,
    /// The realm that it registers in: the domain of calls to and from it.
    pub(crate) realm: String,
}

/// The live contacts of one extension: where a call to it goes. Asked of one extension.
#[derive(Serialize, Deserialize)]
pub(crate) struct ReadContacts {}

impl Command for ReadContacts {
    const VERB: Verb = Verb::internal("contacts");
    type Reply = Vec<Contact>;
}
