//! `POST /calls`: one call or group per destination.

use std::sync::Arc;

use protocol::{Address, Context, Error, Result, Row, read};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::api::{Place, Placed};
use super::calls::Calls;
use super::group::{self, NewGroup};
use super::outgoing::{self, Leg};
use crate::flow::api::check_actions;
use crate::kernel::id_of;

/// The most destinations of one request.
pub(super) const MOST: u32 = 50;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Body {
    source: Address,
    destinations: Vec<Address>,
    flow_id: Uuid,
    actions: Vec<Value>,
    anonymous: String,
    variables: Map<String, Value>,
}

/// The call and group rows that a request made.
#[derive(Default)]
pub(super) struct Made {
    pub(super) calls: Vec<Row>,
    pub(super) groups: Vec<Row>,
}

pub(super) async fn create(calls: Arc<Calls>, by: Context, row: Row) -> Result<Value> {
    let body: Body = read(&row).map_err(|_| Error::invalid("source and destinations must be addresses"))?;
    let leg = Leg {
        source: body.source,
        flow_id: body.flow_id,
        actions: if body.flow_id.is_nil() { check_actions(&body.actions)? } else { Vec::new() },
        anonymous: body.anonymous,
        variables: body.variables,
        ..Leg::default()
    };
    let made = fan_out(&calls, &by, leg, body.destinations, Uuid::nil()).await?;
    let view = |rows: Vec<Row>, of: &'static protocol::Resource| {
        rows.iter().map(|row| json!(of.view(row))).collect::<Vec<_>>()
    };
    Ok(json!({
        "calls": view(made.calls, &super::CALL),
        "groupcalls": view(made.groups, &super::GROUPCALL),
    }))
}

/// As [`create`], for a flow.
pub(super) async fn place(calls: Arc<Calls>, by: Context, place: Place) -> Result<Placed> {
    let leg = Leg {
        source: place.source,
        flow_id: place.flow_id,
        actions: place.actions,
        master_call_id: place.master_call_id,
        anonymous: place.anonymous,
        early_execution: place.early_execution,
        variables: place.variables,
        ..Leg::default()
    };
    fan_out(&calls, &by, leg, place.destinations, Uuid::nil()).await?.ids()
}

/// Places `leg` to every destination: numbers and SIP addresses as calls, extensions and agents as groups
/// that ring all their phones. One that is no address refuses all of them; otherwise it fails with the first
/// refusal when none could be placed.
pub(super) async fn fan_out(
    calls: &Arc<Calls>,
    by: &Context,
    leg: Leg,
    destinations: Vec<Address>,
    bridge: Uuid,
) -> Result<Made> {
    if destinations.is_empty() || destinations.len() > MOST as usize {
        return Err(Error::invalid(format!("destinations must hold 1 to {MOST} addresses")));
    }
    let source =
        if leg.source.target.is_empty() { leg.source.clone() } else { leg.source.clone().normalise()? };
    let destinations = well_formed(destinations)?;
    let (mut made, mut refused) = (Made::default(), None);
    for destination in destinations {
        let leg = Leg { id: Uuid::new_v4(), source: source.clone(), confbridge_id: bridge, ..leg.clone() };
        let outcome = match destination.r#type.as_str() {
            "agent" | "extension" => {
                let new = NewGroup { leg, destinations: vec![destination], linear: false };
                group::start(calls, by, new).await.map(|row| made.groups.push(row))
            }
            _ => outgoing::place(calls, by, Leg { destination, ..leg }).await.map(|row| made.calls.push(row)),
        };
        if let Err(error) = outcome {
            tracing::info!(%error, "destination refused");
            refused.get_or_insert(error);
        }
    }
    match refused {
        Some(error) if made.calls.is_empty() && made.groups.is_empty() => Err(error),
        Some(_) | None => Ok(made),
    }
}

/// All of them before the first is called: a request that is refused has changed nothing.
fn well_formed(destinations: Vec<Address>) -> Result<Vec<Address>> {
    let one = |(at, destination): (usize, Address)| {
        let named =
            |error: Error| Error { message: format!("destinations[{at}]: {}", error.message), ..error };
        destination.normalise().map_err(named)
    };
    destinations.into_iter().enumerate().map(one).collect()
}

impl Made {
    pub(super) fn ids(&self) -> Result<Placed> {
        let ids = |rows: &[Row]| rows.iter().map(id_of).collect::<Result<Vec<_>>>();
        Ok(Placed { call_ids: ids(&self.calls)?, groupcall_ids: ids(&self.groups)? })
    }
}
