//! Location transparency: callers name a resource, never a place.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use actors::kernel::Mailbox;
use async_trait::async_trait;
use protocol::ports::{Bus, Dispatch, Serve, ask_row, part_of};
use protocol::{Catalog, Context, Error, Op, Request, Resource, Result, Row, catalog, sock};
use serde_json::Value;
use uuid::Uuid;

use crate::retry;

/// Where a resource is served.
struct Place {
    domain: &'static str,
    /// By a domain of this node, or by whichever node takes from the domain's queue.
    here: Option<Mailbox>,
}

/// The way to every domain. Empty until the domains have started.
pub(crate) struct Directory {
    bus: Arc<dyn Bus>,
    /// Names this node as the publisher of requests.
    node: String,
    places: OnceLock<HashMap<&'static str, Place>>,
}

impl Directory {
    pub(crate) fn new(bus: Arc<dyn Bus>, node: &str) -> Arc<Self> {
        Arc::new(Directory { bus, node: node.to_owned(), places: OnceLock::new() })
    }

    /// Fills the directory: domains in `here` are served by these mailboxes, all others elsewhere.
    pub(crate) fn open(&self, catalog: &Catalog, here: &[Mailbox]) {
        let place = |domain| {
            let here = here.iter().find(|mailbox| mailbox.domain().name == domain).cloned();
            Place { domain, here }
        };
        let places = catalog.entries.iter().map(|entry| (entry.resource.name, place(entry.domain)));
        let _ = self.places.set(places.collect());
    }
}

impl Directory {
    fn place(&self, resource: &Resource) -> Result<&Place> {
        let places = self.places.get().ok_or_else(|| Error::unbegun("the node is starting"))?;
        places.get(resource.name).ok_or_else(catalog::no_route)
    }

    async fn send(&self, queue: &str, request: Request) -> Result<Value> {
        // encoded anew for every attempt: it carries the time that is left
        let ask = || self.bus.ask(queue, sock::Request::encode(&request, &self.node));
        let again = matches!(request.op, Op::List(_) | Op::Get(_));
        retry::patiently(again, request.context.deadline, ask).await?.into()
    }
}

#[async_trait]
impl Dispatch for Directory {
    async fn ask(&self, request: Request) -> Result<Value> {
        let place = self.place(request.resource)?;
        match &place.here {
            Some(mailbox) => mailbox.ask(request).await,
            None => self.send(&sock::request_queue(place.domain), request).await,
        }
    }

    async fn look(&self, resource: &'static Resource, id: Uuid, by: &Context) -> Result<Arc<Row>> {
        match &self.place(resource)?.here {
            Some(mailbox) => mailbox.look(resource, id, by).await,
            None => ask_row(self, resource, id, by).await,
        }
    }

    async fn part(
        &self,
        resource: &'static Resource,
        id: Uuid,
        columns: &'static [&'static str],
        by: &Context,
    ) -> Result<Row> {
        match &self.place(resource)?.here {
            Some(mailbox) => mailbox.part(resource, id, columns, by).await,
            None => Ok(part_of(&*ask_row(self, resource, id, by).await?, columns)),
        }
    }

    async fn ask_at(&self, node: &str, request: Request) -> Result<Value> {
        let queue = sock::node_queue(self.place(request.resource)?.domain, node);
        self.send(&queue, request).await
    }
}

/// Whose requests a desk answers.
pub(crate) enum Asked {
    /// Any node's; what is about something that lives elsewhere goes there.
    Domain,
    /// Those about what lives here: they were sent to this very node.
    Node,
}

/// Answers what other nodes ask of a domain of this node.
pub(crate) struct Desk {
    pub(crate) mailbox: Mailbox,
    pub(crate) catalog: Arc<OnceLock<Catalog>>,
    pub(crate) asked: Asked,
}

#[async_trait]
impl Serve for Desk {
    async fn ready(&self) {
        self.mailbox.ready().await;
    }

    fn is_well(&self) -> bool {
        self.mailbox.is_up()
    }

    async fn serve(&self, request: sock::Request) -> sock::Response {
        let catalog = self.catalog.get().ok_or_else(|| Error::unavailable("the node is starting"));
        match catalog.and_then(|catalog| request.decode(catalog)) {
            Ok(request) => match self.asked {
                Asked::Domain => self.mailbox.ask(request).await.into(),
                Asked::Node => self.mailbox.ask_here(request).await.into(),
            },
            Err(error) => Result::<Value>::Err(error).into(),
        }
    }
}
