//! Which node a live thing is on. Whoever is asked about one that lives elsewhere sends the request there.

use futures_util::future::BoxFuture;
use protocol::{Kind, Op, Request, Resource, Result, Row, Scope, read};
use serde::Deserialize;
use uuid::Uuid;

use super::live::{Live, Living};
use protocol::ports::Deps;

/// The name of another node, if it is one.
pub(super) type Elsewhere<'a> = BoxFuture<'a, Result<Option<String>>>;

/// The live things that are rows of one resource: their column `node` says where they live, until their column
/// `status` says that they are over.
pub(super) struct Home {
    pub(super) resource: &'static Resource,
    over: &'static [&'static str],
    here: Box<dyn Fn(Uuid) -> bool + Send + Sync>,
    recover: Box<dyn Fn() + Send + Sync>,
}

#[derive(Deserialize)]
struct Whereabouts {
    status: String,
    #[serde(default)]
    node: String,
}

impl Home {
    pub(super) fn new<T: Living>(
        resource: &'static Resource,
        live: &Live<T>,
        over: &'static [&'static str],
    ) -> Self {
        let (seek, again) = (live.clone(), live.clone());
        Home {
            resource,
            over,
            here: Box::new(move |id| seek.has(id)),
            recover: Box::new(move || again.recover()),
        }
    }

    /// The other node on which the item of this request lives, if it may be one.
    pub(super) fn elsewhere<'a>(&'a self, request: &Request, deps: &'a Deps) -> Option<Elsewhere<'a>> {
        let (Op::Verb(id, _) | Op::Delete(id) | Op::Update(id)) = request.op else { return None };
        match (self.here)(id) {
            true => None,
            false => Some(Box::pin(self.whereabouts(id, deps))),
        }
    }

    async fn whereabouts(&self, id: Uuid, deps: &Deps) -> Result<Option<String>> {
        let row = deps.store.get(self.resource, Scope::Platform, id).await?;
        let node = row.as_ref().map(|row| self.node(row)).transpose()?.flatten();
        Ok(node.filter(|node| *node != deps.settings.node))
    }

    fn node(&self, row: &Row) -> Result<Option<String>> {
        let Whereabouts { status, node } = read(row)?;
        let alive = !node.is_empty() && !self.over.contains(&status.as_str());
        Ok(alive.then_some(node))
    }

    /// The statuses of what is alive.
    pub(super) fn live(&self) -> Vec<&'static str> {
        match self.resource.field("status").map(|field| field.kind) {
            Some(Kind::Choice(all)) => {
                all.iter().filter(|status| !self.over.contains(status)).copied().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Rebuilds what is this node's by now and not alive yet.
    pub(super) fn recover(&self) {
        (self.recover)();
    }
}
