//! A call comes in: whose is it, and what shall happen with it? The flow that answers is made here when
//! nobody wrote one: a phone that dials another wants to be connected.

use std::sync::Arc;

use protocol::ports::voice::Subject;
use protocol::{Address, Context, Error, Result, Scope, Status};
use serde_json::{Value, json};
use uuid::Uuid;

use super::api::Arrive;
use super::calls::{Calls, patch};
use super::outgoing::owner_of;
use super::session::Msg;
use crate::billing::api::{ACCOUNT, ReserveCall};
use crate::customer::api::{CUSTOMER, ReadProfile};
use crate::direct::api::{DIRECT, FindDirect, Named};
use crate::host::{erased, kept};
use crate::number::api::{FindNumber, NUMBER};
use crate::registrar::api::{EXTENSION, FindExtension};

/// What an incoming call becomes.
struct Plan {
    customer: Uuid,
    source: Address,
    destination: Address,
    flow: Uuid,
    actions: Vec<Value>,
}

pub(super) async fn arrive(calls: Arc<Calls>, _: Context, arrive: Arrive) -> Result<()> {
    if arrive.node != calls.deps.settings.node {
        // its leg could not be commanded from here
        return Err(Error::unavailable("the node that was called serves no calls"));
    }
    let platform = Context::own(Scope::Platform);
    let plan = match &arrive.subject {
        Some(Subject::Extension { id, customer_id }) => {
            from_phone(&calls, &arrive, *id, *customer_id).await?
        }
        Some(Subject::Trunk { customer_id, .. }) => {
            let to = Address::new("tel", arrive.to.user.clone()).normalise()?;
            out(*customer_id, stranger(&arrive), to, true)
        }
        Some(Subject::Carrier { .. }) | None if arrive.to.user.starts_with("direct.") => {
            by_hash(&calls, &platform, &arrive).await?
        }
        Some(Subject::Carrier { .. }) | None => by_number(&calls, &platform, &arrive).await?,
    };
    let by = Context::own(Scope::Customer(plan.customer));
    let profile = calls.deps.ask(&CUSTOMER, plan.customer, ReadProfile {}, &by).await?;
    if !matches!(profile.status.as_str(), "active" | "initial") {
        return Err(Error::new(Status::PermissionDenied, "STATE_INVALID", "The customer is not active."));
    }
    let reserve = ReserveCall {
        call_id: arrive.leg,
        direction: "incoming".into(),
        source: plan.source.clone(),
        destination: plan.destination.clone(),
    };
    calls.deps.ask_all(&ACCOUNT, reserve, &by).await?;
    store(&calls, &by, &arrive, plan).await
}

async fn store(calls: &Arc<Calls>, by: &Context, arrive: &Arrive, plan: Plan) -> Result<()> {
    let owner = owner_of(calls, by, &plan.source).await;
    let row = patch([
        ("id", json!(arrive.leg)),
        ("owner_type", json!(if owner.is_nil() { "" } else { "agent" })),
        ("owner_id", json!(owner)),
        ("flow_id", json!(plan.flow)),
        ("activeflow_id", json!(Uuid::now_v7())),
        ("type", json!("flow")),
        ("source", json!(plan.source)),
        ("destination", json!(plan.destination)),
        ("status", json!("ringing")),
        ("direction", json!("incoming")),
        ("tm_ringing", super::calls::now(&calls.deps)),
        ("actions", json!(plan.actions)),
        ("sip_call_id", json!(arrive.sip_call_id)),
        ("node", json!(calls.deps.settings.node)),
    ]);
    let mut unit = kept(arrive.leg, &arrive.node, arrive.dialog.clone());
    let row = calls.rows().draft(&mut unit, row, by)?;
    calls.live.stored(calls.deps.store.commit(unit).await)?;
    if calls.deps.voice.state(arrive.leg).is_some() {
        return calls.enliven(row, Msg::Wait).await;
    }
    // it took so long that the caller was refused meanwhile: a dialog that is kept would ring at the next start
    calls.deps.store.commit_soon(erased(arrive.leg)).await?;
    calls.enliven(row, Msg::Resume).await
}

async fn from_phone(calls: &Calls, arrive: &Arrive, id: Uuid, customer: Uuid) -> Result<Plan> {
    let source = Address {
        r#type: "extension".into(),
        target: id.to_string(),
        target_name: arrive.from.user.clone(),
        name: arrive.from.name.clone(),
        ..Address::default()
    };
    let dialled = decode(&arrive.to.user);
    let by = Context::own(Scope::Customer(customer));
    if dialled.starts_with("direct.") {
        let named = named(calls, &by, &dialled).await?;
        return Ok(Plan { source, ..to_named(named)? });
    }
    if let Some(agent) = dialled.strip_prefix("agent:") {
        return Ok(out(customer, source, Address::new("agent", agent), false));
    }
    let digits = dialled.strip_prefix("tel:").unwrap_or(&dialled);
    if dialled.starts_with("tel:") || digits.starts_with('+') {
        return to_number(calls, &by, source, Address::new("tel", digits).normalise()?).await;
    }
    let extension = dialled.strip_prefix("extension:").unwrap_or(&dialled).to_owned();
    let found =
        calls.deps.ask_all(&EXTENSION, FindExtension { customer_id: customer, extension }, &by).await?;
    let found = found.ok_or_else(|| Error::no_such("extension"))?;
    let to = Address {
        r#type: "extension".into(),
        target: found.id.to_string(),
        target_name: found.extension,
        name: found.name,
        ..Address::default()
    };
    Ok(out(customer, source, to, false))
}

/// A number that a phone dialled: the customer's own one runs its flow, any other is called.
async fn to_number(calls: &Calls, by: &Context, source: Address, to: Address) -> Result<Plan> {
    let customer = by.customer()?;
    let found = calls.deps.ask_all(&NUMBER, FindNumber { number: to.target.clone() }, by).await?;
    Ok(match found.filter(|found| found.customer_id == customer && !found.call_flow_id.is_nil()) {
        Some(found) => {
            Plan { customer, source, destination: to, flow: found.call_flow_id, actions: Vec::new() }
        }
        None => out(customer, source, to, true),
    })
}

async fn by_number(calls: &Calls, by: &Context, arrive: &Arrive) -> Result<Plan> {
    let destination = Address::new("tel", arrive.to.user.clone()).normalise()?;
    let found = calls.deps.ask_all(&NUMBER, FindNumber { number: destination.target.clone() }, by).await?;
    let found = found.filter(|found| found.status == "active" && !found.call_flow_id.is_nil());
    let found = found.ok_or_else(|| Error::no_such("number"))?;
    Ok(Plan {
        customer: found.customer_id,
        source: stranger(arrive),
        // carriers leave the + out; a number is stored, shown and priced with it
        destination: Address { target: found.number, ..destination },
        flow: found.call_flow_id,
        actions: Vec::new(),
    })
}

async fn by_hash(calls: &Calls, by: &Context, arrive: &Arrive) -> Result<Plan> {
    let named = named(calls, by, &arrive.to.user).await?;
    Ok(Plan { source: stranger(arrive), ..to_named(named)? })
}

async fn named(calls: &Calls, by: &Context, hash: &str) -> Result<Named> {
    let found = calls.deps.ask_all(&DIRECT, FindDirect { hash: hash.to_owned() }, by).await?;
    found.ok_or_else(|| Error::no_such("direct"))
}

fn to_named(named: Named) -> Result<Plan> {
    let to = |kind: &str| Address::new(kind, named.resource_id.to_string());
    match named.resource_type.as_str() {
        "extension" | "agent" => {
            Ok(out(named.customer_id, Address::default(), to(&named.resource_type), false))
        }
        "flow" => Ok(Plan {
            customer: named.customer_id,
            source: Address::default(),
            destination: to("tel"),
            flow: named.resource_id,
            actions: Vec::new(),
        }),
        // conferences, queues and AIs are not on this platform yet: nobody answers there
        _ => Err(Error::no_such("direct")),
    }
}

/// A flow of one action: ring the other side and end as it ends.
fn out(customer: Uuid, source: Address, destination: Address, network: bool) -> Plan {
    let option = json!({
        "source": source, "destinations": [destination], "early_media": network, "relay_reason": true,
    });
    let actions = vec![json!({"id": Uuid::new_v4(), "type": "connect", "option": option})];
    Plan { customer, source, destination, flow: Uuid::nil(), actions }
}

/// A caller from outside: a number if it looks like one, else a SIP address.
fn stranger(arrive: &Arrive) -> Address {
    let user = &arrive.from.user;
    let digits = user.trim_start_matches('+');
    let address = match !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) {
        true => Address::new("tel", user.clone()),
        false => Address::new("sip", format!("{user}@{}", arrive.from.domain)),
    };
    Address { target_name: arrive.from.name.clone(), ..address }
}

/// Percent-decoding of a SIP user part (RFC 3261 19.1.2); what is no escape stays.
fn decode(user: &str) -> String {
    let mut bytes = Vec::with_capacity(user.len());
    let mut rest = user.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten();
        let value = escape.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_parts_are_decoded() {
        for (text, expected) in [("agent%3A1", "agent:1"), ("%", "%"), ("a%zz", "a%zz"), ("+1555", "+1555")] {
            assert_eq!(decode(text), expected);
        }
    }
}
