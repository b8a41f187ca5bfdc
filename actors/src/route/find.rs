//! The carriers for a number, best first.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Error, Result, Scope, Status, read};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::Routes;
use super::api::{DialRoute, FindRoutes};
use super::select::{EVERYBODY, Route, order, sick_last, targets};

/// Routes of one customer that cover one number.
const MOST_ROUTES: u32 = 500;
/// Ways that one call may try. Nobody waits for more.
const MOST_WAYS: usize = 10;

#[derive(Deserialize)]
struct Provider {
    hostname: String,
    transport: String,
    tech_prefix: String,
    tech_postfix: String,
    tech_headers: BTreeMap<String, String>,
    codecs: String,
    username: String,
    password: String,
    realm: String,
}

pub(super) async fn find(routes: Arc<Routes>, _: Context, command: FindRoutes) -> Result<Vec<DialRoute>> {
    let wanted = match command.provider_ids.is_empty() {
        true => by_number(&routes, &command).await?,
        // an override names its providers itself: each stands for its own route
        false => command.provider_ids.iter().map(|id| (*id, *id)).collect(),
    };
    let now = routes.deps.clock.now();
    let mut ways = Vec::new();
    for (route, provider) in sick_last(wanted, |(_, provider)| routes.breaker.is_open(*provider, now)) {
        if ways.len() == MOST_WAYS {
            break;
        }
        ways.extend(way(&routes, route, provider).await?);
    }
    if ways.is_empty() {
        return Err(Error::new(
            Status::NotFound,
            "ROUTE_NOT_FOUND",
            "No carrier takes calls to this number.",
        ));
    }
    Ok(ways)
}

/// Routes and their providers.
async fn by_number(routes: &Routes, command: &FindRoutes) -> Result<Vec<(Uuid, Uuid)>> {
    let covering = targets(&command.number).into_iter().map(|target| json!(target)).collect::<Vec<_>>();
    let mut found = Vec::new();
    for customer in [command.customer_id, EVERYBODY] {
        let filter = Filter::default().any("target", covering.clone());
        let rows = routes.rows().some(Scope::Customer(customer), filter, MOST_ROUTES).await?;
        for row in &rows {
            found.push(read::<Route>(row)?);
        }
    }
    Ok(order(found).into_iter().map(|route| (route.id, route.provider_id)).collect())
}

/// `None` when the provider is gone: the next one is tried.
async fn way(routes: &Routes, route_id: Uuid, provider_id: Uuid) -> Result<Option<DialRoute>> {
    let row = routes.deps.store.get(&super::PROVIDER, Scope::Platform, provider_id).await?;
    let Some(row) = row else { return Ok(None) };
    let provider: Provider = read(&row)?;
    Ok(Some(DialRoute {
        route_id,
        provider_id,
        hostname: provider.hostname,
        transport: provider.transport,
        tech_prefix: provider.tech_prefix,
        tech_postfix: provider.tech_postfix,
        tech_headers: provider.tech_headers,
        codecs: provider.codecs,
        username: provider.username,
        password: routes.deps.vault.open(&provider.password)?,
        realm: provider.realm,
    }))
}
