//! The tail of events, read from the timeline: everything that became true is noted there, a moment later, so nothing
//! is missing, whoever was away.
//!
//! Transactions do not end in the order in which they begin, and clocks of nodes differ. So a reader looks again
//! at the minute before what it has seen, and tells what it finds there late.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

use futures_util::stream::{Stream, unfold};
use protocol::ports::{Bus, Filter, Store};
use protocol::{
    Catalog, Cursor, Error, Event, Page, Resource, Result, Row, Scope, Status, event, read, time,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;

const RESOURCE: &str = "timeline_event";
/// Longer than a commit may take (40 s), and what clocks may differ besides.
const OVERLAP: chrono::TimeDelta = chrono::TimeDelta::seconds(60);
/// Rows of one reading of the store, and of the first one when little is new.
const PAGE: u32 = 500;
const GLANCE: u32 = 50;
/// Whoever is further behind begins anew.
const MOST: usize = 20_000;
/// Events come in bursts, and are noted within a quarter of a second: one reading for all that came within this.
const BURST: Duration = Duration::from_millis(350);
/// The bus tells that there is something to read. When it does not, somebody looks anyway.
const IDLE: Duration = Duration::from_secs(2);
/// How often the whole overlap is looked through for what was committed late.
const AUDIT: Duration = Duration::from_secs(10);

/// Where events are read.
#[derive(Clone)]
pub(crate) struct Events {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) catalog: Arc<OnceLock<Catalog>>,
}

/// One event as operators see it: what its customer may see of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Told {
    pub(crate) id: Uuid,
    #[serde(rename(deserialize = "event_type"))]
    pub(crate) r#type: String,
    #[serde(rename(deserialize = "tm_create"))]
    pub(crate) time: String,
    pub(crate) publisher: String,
    pub(crate) customer_id: Uuid,
    pub(crate) resource_type: String,
    pub(crate) resource_id: Uuid,
    #[serde(default)]
    pub(crate) data: Value,
}

/// Which events somebody wants.
#[derive(Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) pattern: String,
    pub(crate) customer: Option<Uuid>,
}

impl Wanted {
    fn covers(&self, told: &Told) -> bool {
        self.pattern.is_empty() || event::covers(&self.pattern, &told.r#type)
    }
}

/// What a stream tells: an event, or at first and now and then none, and where to go on.
pub(crate) struct Word {
    pub(crate) event: Option<Told>,
    pub(crate) token: String,
}

impl Events {
    /// The newest events, oldest first, and where to go on from there.
    pub(crate) async fn list(&self, wanted: &Wanted, most: usize) -> Result<(Vec<Told>, String)> {
        let mut found = VecDeque::new();
        let mut token = None;
        let mut page = Page { size: PAGE, after: None };
        for _ in 0..MOST / PAGE as usize {
            let rows = self.page(wanted, &page).await?;
            token = token.or_else(|| rows.first().and_then(Cursor::of).map(|cursor| cursor.token()));
            for row in &rows {
                let told: Told = read(row)?;
                if wanted.covers(&told) && found.len() < most {
                    found.push_front(told);
                }
            }
            page.after = rows.last().and_then(Cursor::of);
            if found.len() >= most || rows.len() < PAGE as usize {
                break;
            }
        }
        Ok((found.into(), token.unwrap_or_else(now)))
    }

    /// Everything from `token` on, or from now on.
    ///
    /// # Errors
    /// The token is none, or more happened since than is repeated.
    pub(crate) async fn watch(
        &self,
        wanted: Wanted,
        token: &str,
    ) -> Result<impl Stream<Item = Result<Word>> + Send + use<>> {
        let heard = self.bus.watch().await?;
        let start = if token.is_empty() { now() } else { token.to_owned() };
        let bad = |_| Error::invalid("resume_token must be the resume_token of an earlier message");
        let from = Cursor::parse(&start).map_err(bad)?;
        let mut tail = Tail {
            events: self.clone(),
            wanted,
            heard,
            seen: BTreeSet::new(),
            high: from.clone(),
            ready: VecDeque::new(),
            audited: Instant::now(),
        };
        if token.is_empty() {
            // what is there already is known, and what is committed late into it is told
            tail.read(true).await?;
            tail.ready.clear();
        } else {
            tail.read(true).await?;
        }
        tail.ready.push_front(Word { event: None, token: start });
        Ok(unfold(tail, async |mut tail| Some((tail.next().await, tail))))
    }

    async fn page(&self, wanted: &Wanted, page: &Page) -> Result<Vec<Row>> {
        let scope = wanted.customer.map_or(Scope::Platform, Scope::Customer);
        self.store.list(self.resource()?, scope, &Filter::default(), page).await
    }

    fn resource(&self) -> Result<&'static Resource> {
        let catalog = self.catalog.get().ok_or_else(|| Error::unavailable("the node is starting"))?;
        catalog.named(RESOURCE).map(|entry| entry.resource).ok_or_else(|| Error::no_such(RESOURCE))
    }
}

fn now() -> String {
    Cursor { tm_create: time::stamp(chrono::Utc::now()), id: None }.token()
}

struct Tail {
    events: Events,
    wanted: Wanted,
    heard: Receiver<Arc<Event>>,
    /// What was told, or is not wanted, as far back as one looks again.
    seen: BTreeSet<(String, Uuid)>,
    /// The newest of it.
    high: Cursor,
    ready: VecDeque<Word>,
    audited: Instant,
}

impl Tail {
    async fn next(&mut self) -> Result<Word> {
        loop {
            if let Some(word) = self.ready.pop_front() {
                return Ok(word);
            }
            self.wait().await;
            let is_due = self.audited.elapsed() >= AUDIT;
            match self.read(is_due).await {
                // a store that is away for a while ends no watch: nothing is lost in it
                Err(error) if error.status == Status::Unavailable => {}
                read => read?,
            }
            // whoever waits for rare events need not go back to the last of them
            if is_due && self.ready.is_empty() {
                return Ok(Word { event: None, token: self.high.token() });
            }
        }
    }

    /// Until something may have happened. A reader that is too slow for the bus misses nothing: it only wakes it.
    async fn wait(&mut self) {
        let heard = timeout(IDLE, self.heard.recv()).await;
        let closed = matches!(heard, Ok(Err(tokio::sync::broadcast::error::RecvError::Closed)));
        sleep(if closed { IDLE } else { BURST }).await;
        self.heard = self.heard.resubscribe();
    }

    /// Reads back to what is known, or the whole overlap.
    async fn read(&mut self, whole: bool) -> Result<()> {
        let floor = before(&self.high.tm_create);
        let (mut fresh, mut newer) = (Vec::new(), 0);
        let mut page = Page { size: if whole { PAGE } else { GLANCE }, after: None };
        'pages: loop {
            let rows = self.events.page(&self.wanted, &page).await?;
            for row in &rows {
                let told: Told = read(row)?;
                let is_known = self.seen.contains(&(told.time.clone(), told.id));
                if told.time < floor || (is_known && !whole) {
                    break 'pages;
                }
                if !is_known {
                    newer += usize::from(told.time > self.high.tm_create);
                    fresh.push(told);
                }
            }
            if newer > MOST {
                return Err(behind());
            }
            page.after = rows.last().and_then(Cursor::of);
            if rows.len() < page.size as usize {
                break;
            }
            page.size = PAGE;
        }
        if whole {
            self.audited = Instant::now();
        }
        fresh.into_iter().rev().for_each(|told| self.take(told));
        let floor = before(&self.high.tm_create);
        self.seen = self.seen.split_off(&(floor, Uuid::nil()));
        Ok(())
    }

    fn take(&mut self, told: Told) {
        self.seen.insert((told.time.clone(), told.id));
        if told.time >= self.high.tm_create {
            self.high = Cursor { tm_create: told.time.clone(), id: Some(told.id) };
        }
        if self.wanted.covers(&told) {
            self.ready.push_back(Word { event: Some(told), token: self.high.token() });
        }
    }
}

fn before(stamp: &str) -> String {
    time::parse(stamp).map(|at| time::stamp(at - OVERLAP)).unwrap_or_default()
}

/// More than [`MOST`] events are not repeated.
fn behind() -> Error {
    let message = format!("more than {MOST} events happened since the resume_token; begin anew without it");
    Error::new(Status::FailedPrecondition, BEHIND, message)
}

/// The reason of the refusal.
pub(super) const BEHIND: &str = "TOO_FAR_BEHIND";
