//! Other parties, and the end: `connect`, `call`, `confbridge_join`, `hangup`.

use protocol::address::TYPES;
use protocol::{Address, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::flow::literal::Word;
use crate::flow::reader::{Fields, Slot, Stage};
use crate::flow::template::is_template;

/// The most parties that one action rings.
const DESTINATIONS: usize = 100;

/// Rings the destinations and bridges the first that answers with the call of this flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Connect {
    pub(crate) source: Address,
    pub(crate) destinations: Vec<Address>,
    pub(crate) early_media: bool,
    /// End this call with the reason for which the other one ended.
    pub(crate) relay_reason: bool,
    pub(crate) anonymous: Anonymous,
}

impl Connect {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Connect {
            source: source(fields)?,
            destinations: destinations(fields)?,
            early_media: fields.get("early_media")?,
            relay_reason: fields.get("relay_reason")?,
            anonymous: fields.get("anonymous")?,
        })
    }
}

/// Starts calls with a flow of their own and goes on at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) source: Address,
    pub(crate) destinations: Vec<Address>,
    pub(crate) flow_id: Uuid,
    /// The flow of the new calls when `flow_id` is nil, as the client wrote it: its variables are those of
    /// the new call, so they are filled in there and only there.
    pub(crate) actions: Vec<Value>,
    /// The new calls end with this one.
    pub(crate) chained: bool,
    /// The flow begins when it rings.
    pub(crate) early_execution: bool,
    pub(crate) anonymous: Anonymous,
}

impl Call {
    /// The field that is not filled in with this flow's variables.
    pub(in crate::flow) const OWN_FLOW: &str = "actions";

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let actions =
            fields.slot(Self::OWN_FLOW).map(|slot| slot.items(usize::MAX, |item| Ok(item.raw().clone())));
        Ok(Call {
            source: source(fields)?,
            destinations: destinations(fields)?,
            flow_id: fields.get("flow_id")?,
            actions: actions.transpose()?.unwrap_or_default(),
            chained: fields.get("chained")?,
            early_execution: fields.get("early_execution")?,
            anonymous: fields.get("anonymous")?,
        })
    }
}

fn source(fields: &mut Fields<'_>) -> Result<Address> {
    fields.slot("source").map_or_else(|| Ok(Address::default()), |slot| address(&slot))
}

fn destinations(fields: &mut Fields<'_>) -> Result<Vec<Address>> {
    fields.need_slot("destinations")?.items(DESTINATIONS, |slot| address(&slot))
}

/// An address in its one stored form. With a variable in it, only its type is checked before it runs.
fn address(slot: &Slot<'_>) -> Result<Address> {
    let mut fields = slot.fields()?;
    let address = Address {
        r#type: text(&mut fields, "type")?,
        target: text(&mut fields, "target")?,
        target_name: text(&mut fields, "target_name")?,
        name: text(&mut fields, "name")?,
        detail: text(&mut fields, "detail")?,
    };
    let stage = fields.stage();
    fields.end()?;
    let later = |text: &str| stage == Stage::Saved && is_template(text);
    if later(&address.r#type) {
        return Ok(address);
    }
    if !TYPES.contains(&address.r#type.as_str()) {
        return Err(slot.wrong(&format!("an address of a known type, not {:?}", address.r#type)));
    }
    if later(&address.target) {
        return Ok(address);
    }
    address.normalise().map_err(|error: Error| slot.wrong(&format!("an address whose {}", error.message)))
}

/// Kept as it was written, so that the address can be judged as a whole.
fn text(fields: &mut Fields<'_>, name: &'static str) -> Result<String> {
    let Some(slot) = fields.slot(name) else { return Ok(String::new()) };
    slot.raw().as_str().map(str::to_owned).ok_or_else(|| slot.wrong("a text"))
}

/// Whether the called party may see who calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Anonymous {
    #[default]
    #[serde(rename = "")]
    Unset,
    Yes,
    No,
    /// As the caller of this flow did.
    Auto,
}

impl Word for Anonymous {
    const WANTED: &'static str = "yes, no, auto or empty";
    const REASON: &'static str = "INVALID_ANONYMOUS_VALUE";
}

/// Comes back when the call has left the bridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConfbridgeJoin {
    pub(crate) confbridge_id: Uuid,
}

impl ConfbridgeJoin {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(ConfbridgeJoin { confbridge_id: fields.need("confbridge_id")? })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hangup {
    pub(crate) reason: HangupReason,
    /// End with the reason of this call, if it has ended; nil: with `reason`.
    pub(crate) reference_id: Uuid,
}

impl Hangup {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Hangup { reason: fields.get("reason")?, reference_id: fields.get("reference_id")? })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HangupReason {
    #[default]
    #[serde(alias = "")]
    Normal,
    Failed,
    Busy,
    Cancel,
    Timeout,
    Noanswer,
    Dialout,
    Amd,
}

impl Word for HangupReason {
    const WANTED: &'static str = "one of normal, failed, busy, cancel, timeout, noanswer, dialout, amd";
}
