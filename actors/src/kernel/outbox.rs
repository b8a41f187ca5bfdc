//! From the store to the bus: every committed fact, in the order of commits, until the bus has it.
//!
//! Facts of different rows overtake each other, facts of one row never: behind one that the bus refused the
//! later ones of its row wait. What was read is noted in the timeline, and what has arrived is forgotten, a little
//! later, many facts at once: after a kill those of the last moment are noted and sent again, under the same ids.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use protocol::ports::{Bus, Deps};
use protocol::{Event, Result};
use tokio::time::{Duration, Instant, sleep_until, timeout};
use uuid::Uuid;

use super::Child;
use super::patience::patiently;
use super::timeline;

/// Facts on their way at the same time. A slow follower of one row must not hold up the others.
const ON_THE_WAY: usize = 1024;
const BATCH: u32 = 256;
/// The bus refused: how long until the next try.
const PAUSE: Duration = Duration::from_secs(1);
/// What was read is noted, and what has arrived is forgotten, when it is so much, or so old.
const SETTLE: usize = 256;
const REMEMBER: Duration = Duration::from_millis(250);
/// Facts that are noted in one transaction: others wait for it.
const NOTED: usize = 64;
/// How often it looks for what it has missed: a commit that was given up may appear late.
const LOOK: Duration = Duration::from_secs(10);
/// For the last word to the store when the node stops.
const GOODBYE: Duration = Duration::from_secs(2);

pub fn outbox(deps: &Deps) -> Child {
    let deps = deps.clone();
    Child::task("outbox", move |token| {
        let (deps, ledger) = (deps.clone(), Ledger::default());
        async move {
            let outcome = patiently("outbox", &deps, &token, || drain(deps.clone(), ledger.clone())).await;
            // a store that is gone by now settles nothing: the facts are sent again at the next start
            let _ = timeout(GOODBYE, ledger.settle(&deps)).await;
            outcome
        }
    })
}

/// What the store is not yet told of the facts that were read.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    /// Not yet noted in the timeline.
    fresh: Vec<Arc<Event>>,
    /// The numbers of those that have arrived. A fact is fresh before it can arrive.
    arrived: Vec<i64>,
}

impl Ledger {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> usize {
        let open = self.open();
        open.fresh.len().max(open.arrived.len())
    }

    async fn settle(&self, deps: &Deps) -> Result<()> {
        loop {
            let (facts, delivered) = self.open().next();
            if facts.is_empty() && delivered.is_empty() {
                return Ok(());
            }
            let (noted, forgotten) = (facts.len(), delivered.len());
            timeline::settle(deps, &facts, delivered).await?;
            let mut open = self.open();
            open.fresh.drain(..noted);
            open.arrived.drain(..forgotten);
        }
    }
}

impl Open {
    /// What goes into the next transaction. Nothing is forgotten before everything that was read by then is noted.
    fn next(&self) -> (Vec<Arc<Event>>, Vec<i64>) {
        let most = self.fresh.len().min(NOTED);
        let delivered = if most == self.fresh.len() { self.arrived.clone() } else { Vec::new() };
        (self.fresh[..most].to_vec(), delivered)
    }
}

async fn drain(deps: Deps, ledger: Ledger) -> Result<()> {
    let mut committed = deps.store.committed();
    ledger.settle(&deps).await?;
    let mut way = Way::to(deps.bus.clone(), ledger);
    loop {
        committed.mark_unchanged();
        let more = way.take_from(&deps).await?;
        metrics::gauge!("outbox_on_the_way").set(way.len() as f64);
        tokio::select! {
            Some(sent) = way.sending.next() => way.arrived(sent),
            () = sleep_until(way.again.unwrap_or_else(Instant::now)), if way.again.is_some() => way.retry().await,
            () = sleep_until(way.settle.unwrap_or_else(Instant::now)), if way.settle.is_some() => way.settle(&deps).await?,
            () = sleep_until(way.look), if way.len() == 0 => way.look(&deps).await?,
            changed = committed.changed(), if !more => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            () = std::future::ready(()), if more => {}
        }
    }
}

struct Sent {
    number: i64,
    event: Arc<Event>,
    outcome: Result<()>,
}

/// The facts between the store and the bus.
struct Way {
    bus: Arc<dyn Bus>,
    /// The last one that was taken to the bus, and the last one that was read for the timeline, which waits for no bus.
    mark: i64,
    read: i64,
    sending: FuturesUnordered<BoxFuture<'static, Sent>>,
    /// How many facts of each row are being sent.
    rows: HashMap<Uuid, usize>,
    ledger: Ledger,
    /// When the store is told.
    settle: Option<Instant>,
    /// When it looks for missed ones.
    look: Instant,
    /// What the bus refused and what waits behind it, with their rows, until the next try.
    refused: BTreeMap<i64, Arc<Event>>,
    blocked: HashSet<Uuid>,
    again: Option<Instant>,
}

impl Way {
    fn to(bus: Arc<dyn Bus>, ledger: Ledger) -> Self {
        Way {
            bus,
            mark: 0,
            read: 0,
            sending: FuturesUnordered::new(),
            rows: HashMap::new(),
            ledger,
            settle: None,
            look: Instant::now() + LOOK,
            refused: BTreeMap::new(),
            blocked: HashSet::new(),
            again: None,
        }
    }

    fn len(&self) -> usize {
        self.sending.len() + self.refused.len()
    }

    /// Sends the next facts. True when there may be more to send.
    async fn take_from(&mut self, deps: &Deps) -> Result<bool> {
        if self.ledger.len() >= SETTLE {
            self.settle(deps).await?;
        }
        let is_full = self.len() >= ON_THE_WAY;
        let after = if is_full { self.read } else { self.mark };
        let batch = deps.store.outbox(after, BATCH).await?;
        let more = !batch.is_empty();
        for (number, event) in batch {
            self.note(number, &event);
            if !is_full {
                self.mark = number;
                self.offer(number, event).await;
            }
        }
        Ok(more)
    }

    fn note(&mut self, number: i64, event: &Arc<Event>) {
        if number > self.read {
            self.read = number;
            self.ledger.open().fresh.push(event.clone());
            self.settles();
        }
    }

    fn settles(&mut self) {
        self.settle.get_or_insert_with(|| Instant::now() + REMEMBER);
    }

    async fn settle(&mut self, deps: &Deps) -> Result<()> {
        self.settle = None;
        self.ledger.settle(deps).await
    }

    /// Begins again from the first fact that is still there. Nothing is on the way.
    async fn look(&mut self, deps: &Deps) -> Result<()> {
        self.settle(deps).await?;
        self.look = Instant::now() + LOOK;
        (self.mark, self.read) = (0, 0);
        Ok(())
    }

    /// The first poll hands a fact to the bus, so facts enter it in order.
    async fn offer(&mut self, number: i64, event: Arc<Event>) {
        let row = row(&event);
        if self.blocked.contains(&row) {
            self.refused.insert(number, event);
            return;
        }
        *self.rows.entry(row).or_default() += 1;
        let mut publishing = publish(self.bus.clone(), number, event);
        match futures_util::poll!(Pin::new(&mut publishing)) {
            Poll::Ready(sent) => self.ended(sent),
            Poll::Pending => self.sending.push(publishing),
        }
    }

    fn arrived(&mut self, sent: Sent) {
        self.ended(sent);
        while let Some(Some(sent)) = self.sending.next().now_or_never() {
            self.ended(sent);
        }
    }

    fn ended(&mut self, Sent { number, event, outcome }: Sent) {
        let row = row(&event);
        if let Some(count) = self.rows.get_mut(&row) {
            *count -= 1;
            if *count == 0 {
                self.rows.remove(&row);
            }
        }
        match outcome {
            Ok(()) => {
                self.ledger.open().arrived.push(number);
                self.settles();
            }
            Err(error) => {
                tracing::warn!(event = %event.r#type, id = %event.id, %error, "event not published");
                self.blocked.insert(row);
                self.refused.insert(number, event);
                self.again.get_or_insert_with(|| Instant::now() + PAUSE);
            }
        }
    }

    /// Offers what was refused again, in order. A row of which something is still being sent waits: its
    /// later fact is about to be refused, too.
    async fn retry(&mut self) {
        let refused = std::mem::take(&mut self.refused);
        self.blocked.retain(|row| self.rows.contains_key(row));
        self.again = (!self.blocked.is_empty()).then(|| Instant::now() + PAUSE);
        for (number, event) in refused {
            self.offer(number, event).await;
        }
    }
}

/// The lane of a fact: that of the row it stands in line with, or the one for facts about no row.
fn row(event: &Event) -> Uuid {
    event.lane()
}

fn publish(bus: Arc<dyn Bus>, number: i64, event: Arc<Event>) -> BoxFuture<'static, Sent> {
    Box::pin(async move {
        let outcome = bus.publish(event.clone()).await;
        Sent { number, event, outcome }
    })
}
