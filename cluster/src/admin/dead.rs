//! Events that a follower could not take: listed, and published again.

use std::sync::{Arc, OnceLock};

use futures_util::StreamExt as _;
use protocol::ports::{Dispatch, Filter, Store};
use protocol::{Catalog, Context, Cursor, Entry, Error, Op, Page, Request, Result, Scope, read};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

const RESOURCE: &str = "dead_event";
const REPLAY: &str = "replay";
/// Published again by one request, so that it ends in time.
const MOST: usize = 1000;
/// Side by side: each is a transaction.
const AT_ONCE: usize = 8;

/// Where they are kept, and the way to who publishes them again.
pub(crate) struct Dead {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) peers: Arc<dyn Dispatch>,
    pub(crate) catalog: Arc<OnceLock<Catalog>>,
}

/// One dead letter as operators see it. The event itself may hold what operators need not see.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Letter {
    pub(crate) id: Uuid,
    pub(crate) follower: String,
    pub(crate) r#type: String,
    pub(crate) error: String,
    pub(crate) tries: u32,
    #[serde(rename(deserialize = "tm_create"))]
    pub(crate) time: String,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Replayed {
    pub(crate) replayed: u32,
    pub(crate) failed: u32,
    pub(crate) error: String,
}

impl Dead {
    pub(crate) async fn list(&self, page: &Page) -> Result<(Vec<Letter>, String)> {
        let rows = self.store.list(self.entry()?.resource, Scope::Platform, &Filter::default(), page).await?;
        let last = rows.last().filter(|_| rows.len() == page.size as usize);
        let next = last.and_then(Cursor::of).map(|cursor| cursor.token()).unwrap_or_default();
        Ok((rows.iter().map(read).collect::<Result<_>>()?, next))
    }

    pub(crate) async fn count(&self) -> Result<u64> {
        self.store.count(self.entry()?.resource, Scope::Platform, &Filter::default()).await
    }

    /// Publishes one again.
    pub(crate) async fn replay(&self, id: Uuid) -> Result<()> {
        let entry = self.entry()?;
        let verb = entry.verbs.iter().find(|verb| verb.name == REPLAY).copied();
        let verb = verb.ok_or_else(|| Error::no_such(RESOURCE))?;
        let (op, context) = (Op::Verb(id, verb), Context::own(Scope::Platform));
        let request = Request { resource: entry.resource, op, body: json!({}), context };
        self.peers.ask(request).await.map(drop)
    }

    /// Publishes those again that are there now. What fails is counted and left.
    pub(crate) async fn replay_all(&self) -> Result<Replayed> {
        let ids = self.ids().await?;
        let mut tried = futures_util::stream::iter(ids).map(|id| self.replay(id)).buffer_unordered(AT_ONCE);
        let mut sum = Replayed::default();
        while let Some(done) = tried.next().await {
            match done {
                Ok(()) => sum.replayed += 1,
                Err(error) => {
                    sum.failed += 1;
                    sum.error = if sum.error.is_empty() { error.message } else { sum.error };
                }
            }
        }
        Ok(sum)
    }

    async fn ids(&self) -> Result<Vec<Uuid>> {
        let (mut ids, mut page) = (Vec::new(), Page::of(0, None));
        while ids.len() < MOST {
            let (letters, next) = self.list(&page).await?;
            ids.extend(letters.iter().map(|letter| letter.id));
            if next.is_empty() {
                break;
            }
            page.after = Some(Cursor::parse(&next)?);
        }
        ids.truncate(MOST);
        Ok(ids)
    }

    fn entry(&self) -> Result<&Entry> {
        let catalog = self.catalog.get().ok_or_else(|| Error::unavailable("the node is starting"))?;
        catalog.named(RESOURCE).ok_or_else(|| Error::no_such(RESOURCE))
    }
}
