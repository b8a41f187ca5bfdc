//! Which carrier a call comes from, by its source address.

use std::net::IpAddr;
use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Result, Scope, read};
use serde::Deserialize;
use uuid::Uuid;

use super::Routes;
use super::api::FindCarrier;
use crate::network;

/// Carriers of one installation. All are read: a source address has no index.
const MOST: u32 = 500;

#[derive(Deserialize)]
struct Carrier {
    id: Uuid,
    addresses: Vec<String>,
}

pub(super) async fn find(routes: Arc<Routes>, _: Context, command: FindCarrier) -> Result<Option<Uuid>> {
    for row in routes.providers().some(Scope::Platform, Filter::default(), MOST).await? {
        let carrier: Carrier = read(&row)?;
        if is_from(&carrier, command.source) {
            return Ok(Some(carrier.id));
        }
    }
    Ok(None)
}

fn is_from(carrier: &Carrier, source: IpAddr) -> bool {
    network::listed(&carrier.addresses, source)
}
