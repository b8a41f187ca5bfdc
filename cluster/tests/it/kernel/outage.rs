//! A real store that can be cut off, as a database behind a network can.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use protocol::ports::{Entry, Filter, Peer, Residents, Store, Timer, Unit};
use protocol::time::Time;
use protocol::{Error, Event, Page, Resource, Result, Row, Scope};
use tokio::sync::watch;
use uuid::Uuid;

pub(super) struct Switch {
    store: Arc<dyn Store>,
    away: AtomicBool,
    looks: Mutex<Looks>,
}

/// What comes of looking at a row.
#[derive(Clone, Copy)]
pub(super) enum Looks {
    Fine,
    Hang,
    Panic,
}

impl Switch {
    pub(super) fn before(store: Arc<dyn Store>) -> Self {
        Switch { store, away: AtomicBool::new(false), looks: Mutex::new(Looks::Fine) }
    }

    pub(super) fn cut(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub(super) fn looks(&self, looks: Looks) {
        *self.looks.lock().unwrap() = looks;
    }

    fn through(&self) -> Result<&Arc<dyn Store>> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(Error::unavailable("the database cannot be reached")),
            false => Ok(&self.store),
        }
    }
}

#[async_trait]
impl Store for Switch {
    async fn look(&self, of: &'static Resource, scope: Scope, id: Uuid) -> Result<Option<Arc<Row>>> {
        let looks = *self.looks.lock().unwrap();
        match looks {
            Looks::Fine => self.through()?.look(of, scope, id).await,
            Looks::Hang => std::future::pending().await,
            Looks::Panic => panic!("as told"),
        }
    }
    async fn list(&self, of: &'static Resource, scope: Scope, by: &Filter, page: &Page) -> Result<Vec<Row>> {
        self.through()?.list(of, scope, by, page).await
    }
    async fn count(&self, of: &'static Resource, scope: Scope, by: &Filter) -> Result<u64> {
        self.through()?.count(of, scope, by).await
    }
    async fn commit(&self, unit: Unit) -> Result<()> {
        self.through()?.commit(unit).await
    }
    async fn commit_soon(&self, unit: Unit) -> Result<()> {
        self.through()?.commit_soon(unit).await
    }
    async fn journal(&self, kind: &'static str, node: Option<&str>) -> Result<Vec<Entry>> {
        self.through()?.journal(kind, node).await
    }
    async fn children(&self, kind: &'static str, parent: Uuid) -> Result<Vec<Entry>> {
        self.through()?.children(kind, parent).await
    }
    async fn entry(&self, kind: &'static str, id: Uuid) -> Result<Option<Entry>> {
        self.through()?.entry(kind, id).await
    }
    async fn timers(&self, most: u32) -> Result<Vec<Timer>> {
        self.through()?.timers(most).await
    }
    async fn outbox(&self, after: i64, most: u32) -> Result<Vec<(i64, Arc<Event>)>> {
        self.through()?.outbox(after, most).await
    }
    fn committed(&self) -> watch::Receiver<u64> {
        self.store.committed()
    }
    fn timed(&self) -> watch::Receiver<Time> {
        self.store.timed()
    }
    fn timers_are_read(&self) {
        self.store.timers_are_read();
    }
    async fn renew(&self, serves: &[&str]) -> Result<()> {
        self.through()?.renew(serves).await
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }
    async fn nodes(&self) -> Result<Vec<Peer>> {
        self.through()?.nodes().await
    }

    async fn doubt(&self, node: &str) -> Result<()> {
        self.through()?.doubt(node).await
    }

    async fn inherit(&self, node: &str) -> Result<bool> {
        self.through()?.inherit(node).await
    }

    async fn adopt(&self, node: &str, residents: &Residents) -> Result<bool> {
        self.through()?.adopt(node, residents).await
    }

    async fn retire(&self, node: &str, residents: &Residents) -> Result<bool> {
        self.through()?.retire(node, residents).await
    }

    async fn decide(&self, name: &str, value: &str) -> Result<()> {
        self.through()?.decide(name, value).await
    }

    async fn agree(&self, name: &str, value: &str) -> Result<String> {
        self.through()?.agree(name, value).await
    }

    async fn health(&self) -> Result<()> {
        self.through()?.health().await
    }
    async fn close(&self) {
        self.store.close().await;
    }
}
