//! Which node a live thing is on. Whoever is asked about one that lives elsewhere sends the request there.
//!
//! Where it was found is remembered for a while: a running flow asks its call again and again, and a row is much to read
//! for the name of a node. A place that is out of date does no harm: whoever has it not says so, and it is looked for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use protocol::{Kind, Op, Request, Resource, Result, Row, Scope, read};
use serde::Deserialize;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use super::live::{Live, Living};
use protocol::ports::Deps;

/// The name of another node, if it is one.
type Elsewhere<'a> = BoxFuture<'a, Result<Option<String>>>;

/// How long a place is remembered, and how many are; then all are forgotten, and the busy ones are found again.
const REMEMBERED: Duration = Duration::from_secs(10);
const MOST: usize = 4096;

/// The live things that are rows of one resource: their column `node` says where they live, until their column
/// `status` says that they are over.
pub(super) struct Home {
    pub(super) resource: &'static Resource,
    over: &'static [&'static str],
    deps: Deps,
    seen: Mutex<HashMap<Uuid, (String, Instant)>>,
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
        deps: &Deps,
    ) -> Self {
        let (seek, again) = (live.clone(), live.clone());
        Home {
            resource,
            over,
            deps: deps.clone(),
            seen: Mutex::default(),
            here: Box::new(move |id| seek.has(id)),
            recover: Box::new(move || again.recover()),
        }
    }

    /// The item of this request, if it may live elsewhere.
    fn absent(&self, request: &Request) -> Option<Uuid> {
        let (Op::Verb(id, _) | Op::Delete(id) | Op::Update(id)) = request.op else { return None };
        (!(self.here)(id)).then_some(id)
    }

    /// The other node on which the item of this request lives, if it may be one.
    pub(super) fn elsewhere(&self, request: &Request) -> Option<Elsewhere<'_>> {
        Some(Box::pin(self.whereabouts(self.absent(request)?)))
    }

    async fn whereabouts(&self, id: Uuid) -> Result<Option<String>> {
        let row = self.deps.store.part(self.resource, Scope::Platform, id, &["status", "node"]).await?;
        let node = row.map(|row| self.node(&row)).transpose()?.flatten();
        let node = node.filter(|node| *node != self.deps.settings.node);
        if let Some(node) = &node {
            self.remember(id, node);
        }
        Ok(node)
    }

    /// Where the item of this request was a while ago, if that is not here. It may have moved since.
    pub(super) fn remembered(&self, request: &Request) -> Option<String> {
        let id = self.absent(request)?;
        let seen = self.seen();
        seen.get(&id).filter(|(_, since)| since.elapsed() < REMEMBERED).map(|(node, _)| node.clone())
    }

    fn remember(&self, id: Uuid, node: &str) {
        let mut seen = self.seen();
        if seen.len() >= MOST {
            seen.clear();
        }
        seen.insert(id, (node.to_owned(), Instant::now()));
    }

    pub(super) fn forget(&self, id: Uuid) {
        self.seen().remove(&id);
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Uuid, (String, Instant)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
