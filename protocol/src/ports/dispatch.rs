//! The only way out of a domain. Whether the answer comes from here or elsewhere is its business.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::store::part_of;
use crate::{Context, Error, Op, Request, Resource, Result, Row};

#[async_trait]
pub trait Dispatch: Send + Sync {
    /// Delivers a request to whichever node serves its resource and waits for the answer, at most until
    /// the request's deadline. A full mailbox answers `Unavailable` at once.
    async fn ask(&self, request: Request) -> Result<Value>;

    /// As [`Dispatch::ask`] for one row, to look at only: it may be shared with others who look at it.
    async fn look(&self, resource: &'static Resource, id: Uuid, by: &Context) -> Result<Arc<Row>> {
        ask_row(self, resource, id, by).await
    }

    /// As [`Dispatch::look`], these columns of it.
    async fn part(
        &self,
        resource: &'static Resource,
        id: Uuid,
        columns: &'static [&'static str],
        by: &Context,
    ) -> Result<Row> {
        Ok(part_of(&*ask_row(self, resource, id, by).await?, columns))
    }

    /// As [`Dispatch::ask`], to the domain of the resource on this one node: its item lives there.
    /// `Unavailable` at once when that node is gone.
    async fn ask_at(&self, node: &str, request: Request) -> Result<Value>;
}

/// [`Dispatch::look`] by asking for the row like anything else.
pub async fn ask_row<D: Dispatch + ?Sized>(
    peers: &D,
    resource: &'static Resource,
    id: Uuid,
    by: &Context,
) -> Result<Arc<Row>> {
    let request = Request { resource, op: Op::Get(id), body: Value::Null, context: by.clone() };
    let reply = peers.ask(request).await?;
    if let Value::Object(row) = reply { Ok(Arc::new(row)) } else { Err(Error::no_such(resource.name)) }
}
