//! Live calls as messages: listed from the store, watched on the bus.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use futures_util::stream::{Stream, unfold};
use proto::admin::v1::{Call, ListCallsRequest, ListCallsResponse, Party, WatchCallsResponse};
use protocol::ports::{Bus, Filter, Store};
use protocol::{Address, Catalog, Cursor, Error, Event, Kind, Page, Resource, Result, Row, Scope, read};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tonic::Status;
use uuid::Uuid;

const RESOURCE: &str = "call";
const FLOW: &str = "activeflow";
/// The one status of a call that has ended.
const ENDED: &str = "hangup";

/// Where calls are seen.
pub(crate) struct Calls {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) catalog: Arc<OnceLock<Catalog>>,
}

/// The part of a call that operators see.
#[derive(Deserialize)]
struct Seen {
    id: Uuid,
    customer_id: Uuid,
    status: String,
    direction: String,
    source: Option<Address>,
    destination: Option<Address>,
    action: Option<Action>,
    tm_create: Option<String>,
    tm_progressing: Option<String>,
}

/// The part of a flow that runs for a call.
#[derive(Deserialize)]
struct Run {
    reference_id: Uuid,
    current_action: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    r#type: String,
}

/// The part of a call's event that operators see.
#[derive(Deserialize)]
struct Changed {
    id: Uuid,
    customer_id: Uuid,
    status: String,
}

impl Calls {
    pub(crate) async fn list(&self, asked: ListCallsRequest) -> Result<ListCallsResponse> {
        let scope = customer(&asked.customer_id)?.map_or(Scope::Platform, Scope::Customer);
        let after = Some(asked.page_token.as_str()).filter(|token| !token.is_empty()).map(Cursor::parse);
        let page = Page::of(asked.page_size.into(), after.transpose()?);
        let resource = self.resource()?;
        let filter = Filter::default().any("status", live(resource));
        let rows = self.store.list(resource, scope, &filter, &page).await?;
        let steps = self.steps(&rows, scope).await?;
        let last = rows.last().filter(|_| rows.len() == page.size as usize);
        let next_page_token = last.and_then(Cursor::of).map(|cursor| cursor.token()).unwrap_or_default();
        Ok(ListCallsResponse {
            calls: rows.iter().map(|row| call(row, &steps)).collect::<Result<_>>()?,
            next_page_token,
        })
    }

    pub(super) async fn watch(
        &self,
        of: &str,
    ) -> Result<impl Stream<Item = Result<WatchCallsResponse, Status>> + Send + use<>> {
        let of = customer(of)?;
        let events = self.bus.watch().await?;
        Ok(unfold(events, move |mut events| async move { Some((next(&mut events, of).await?, events)) }))
    }

    /// Where the flows of these calls are, by call. The call itself knows only of actions that it carries out.
    async fn steps(&self, calls: &[Row], scope: Scope) -> Result<HashMap<Uuid, String>> {
        let ids: Vec<Value> = calls.iter().filter_map(|call| call.get("id").cloned()).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let filter = Filter::by("status", "running").any("reference_id", ids);
        let flows = self.store.list(self.named(FLOW)?, scope, &filter, &Page::of(0, None)).await?;
        let step = |row: &Row| {
            let Run { reference_id, current_action } = read(row)?;
            Ok((reference_id, current_action.map(|action| action.r#type).unwrap_or_default()))
        };
        flows.iter().map(step).collect()
    }

    fn resource(&self) -> Result<&'static Resource> {
        self.named(RESOURCE)
    }

    fn named(&self, name: &str) -> Result<&'static Resource> {
        let catalog = self.catalog.get().ok_or_else(|| Error::unavailable("the node is starting"))?;
        catalog.named(name).map(|entry| entry.resource).ok_or_else(|| Error::no_such(name))
    }
}

pub(super) fn customer(text: &str) -> Result<Option<Uuid>> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Error::invalid("customer_id must be a UUID")),
    }
}

fn live(resource: &Resource) -> Vec<Value> {
    match resource.field("status").map(|field| field.kind) {
        Some(Kind::Choice(all)) => {
            all.iter().filter(|status| **status != ENDED).map(|status| Value::from(*status)).collect()
        }
        _ => Vec::new(),
    }
}

fn call(row: &Row, steps: &HashMap<Uuid, String>) -> Result<Call> {
    let seen: Seen = read(row)?;
    let step = steps.get(&seen.id).filter(|step| !step.is_empty()).cloned();
    Ok(Call {
        id: seen.id.to_string(),
        customer_id: seen.customer_id.to_string(),
        status: seen.status,
        direction: seen.direction,
        source: seen.source.map(party),
        destination: seen.destination.map(party),
        action_type: step.or(seen.action.map(|action| action.r#type)).unwrap_or_default(),
        since: seen.tm_progressing.or(seen.tm_create).unwrap_or_default(),
    })
}

fn party(address: Address) -> Party {
    Party { r#type: address.r#type, target: address.target }
}

/// The next change of a call, or `None` when the bus is gone.
async fn next(
    events: &mut Receiver<Arc<Event>>,
    of: Option<Uuid>,
) -> Option<Result<WatchCallsResponse, Status>> {
    loop {
        match events.recv().await {
            Ok(event) if event.resource == RESOURCE => match change(&event) {
                Ok((customer, change)) if of.is_none_or(|of| of == customer) => return Some(Ok(change)),
                Ok(_) => {}
                Err(error) => return Some(Err(super::refusal::refusal(error))),
            },
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                return Some(Ok(WatchCallsResponse { missed, ..WatchCallsResponse::default() }));
            }
            Err(RecvError::Closed) => return None,
        }
    }
}

fn change(event: &Event) -> Result<(Uuid, WatchCallsResponse)> {
    let Changed { id, customer_id, status } = event.read()?;
    let change = WatchCallsResponse {
        id: id.to_string(),
        customer_id: customer_id.to_string(),
        event_type: event.r#type.clone(),
        status,
        time: event.time.clone(),
        missed: 0,
    };
    Ok((customer_id, change))
}
