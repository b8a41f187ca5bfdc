//! What the flow domain and the voice engine ask of calls.

use std::net::IpAddr;

use protocol::ports::voice::{Party, Subject};
use protocol::{Address, Command, Reply, Verb};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use super::CALL;
pub(crate) use super::status::Reason;
use crate::flow::api::{Instruction, Turn};

/// Carries one action of a flow out on a call. Acknowledged when it began; its flow is told of its end, or hears it in
/// `call_action_finished`. A turn that is already under way is left alone, and of one that has ended the end is told
/// again.
#[derive(Serialize, Deserialize)]
pub(crate) struct Act {
    pub(crate) turn: Turn,
    pub(crate) instruction: Instruction,
}

impl Command for Act {
    const VERB: Verb = Verb::internal("act");
    type Reply = ();
}

/// Cuts the action short that is under way: that is its end.
#[derive(Serialize, Deserialize)]
pub(crate) struct CutShort {
    pub(crate) turn: Turn,
}

impl Command for CutShort {
    const VERB: Verb = Verb::internal("cut_short");
    type Reply = ();
}

/// The end of an action, also the call's field `finished`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) turn: Turn,
    /// Why it could not be carried out; empty when it was. The flow goes on either way.
    #[serde(default)]
    pub(crate) error: String,
}

/// Has the call that is asked end another one when it ends itself. Refused by one that is over.
#[derive(Serialize, Deserialize)]
pub(crate) struct Chain {
    pub(crate) call_id: Uuid,
}

impl Command for Chain {
    const VERB: Verb = Verb::internal("chain");
    type Reply = ();
}

/// Ends a call on behalf of its flow.
#[derive(Serialize, Deserialize)]
pub(crate) struct EndCall {
    pub(crate) reason: Reason,
}

impl Command for EndCall {
    const VERB: Verb = Verb::internal("end");
    type Reply = ();
}

/// Places calls for a flow. Asked of the collection; the scope is the customer's.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pub(crate) source: Address,
    pub(crate) destinations: Vec<Address>,
    pub(crate) flow_id: Uuid,
    /// Instead of a flow: checked actions.
    pub(crate) actions: Vec<Value>,
    /// The new calls end with this one.
    pub(crate) master_call_id: Uuid,
    /// `yes`, `no`, `auto` or empty.
    pub(crate) anonymous: String,
    pub(crate) early_execution: bool,
    pub(crate) variables: serde_json::Map<String, Value>,
}

impl Command for Place {
    const VERB: Verb = Verb::internal("place");
    type Reply = Placed;
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) call_ids: Vec<Uuid>,
    pub(crate) groupcall_ids: Vec<Uuid>,
}

/// Opens a two-party bridge and rings the destinations into it. The caller then has its own call join it.
#[derive(Serialize, Deserialize)]
pub(crate) struct ConnectTo {
    /// Becomes the bridge's id: asked twice, it rings once.
    pub(crate) key: Uuid,
    pub(crate) source: Address,
    pub(crate) destinations: Vec<Address>,
    pub(crate) early_media: bool,
    pub(crate) anonymous: String,
}

impl Command for ConnectTo {
    const VERB: Verb = Verb::internal("connect");
    type Reply = Connected;
}

impl Placed {
    pub(crate) fn is_empty(&self) -> bool {
        self.call_ids.is_empty() && self.groupcall_ids.is_empty()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Connected {
    pub(crate) confbridge_id: Uuid,
    #[serde(flatten)]
    pub(crate) placed: Placed,
}

/// An INVITE that the engine let in. Asked of the collection; the call gets the leg's id.
#[derive(Serialize, Deserialize)]
pub(crate) struct Arrive {
    pub(crate) leg: Uuid,
    pub(crate) subject: Option<Subject>,
    pub(crate) from: Party,
    pub(crate) to: Party,
    pub(crate) source: IpAddr,
    pub(crate) sip_call_id: String,
    /// The node that has the leg.
    pub(crate) node: String,
    /// To be journalled with the call, in base64.
    pub(crate) dialog: String,
}

impl Command for Arrive {
    const VERB: Verb = Verb::internal("arrive").reply(Reply::Document);
    type Reply = ();
}
