//! Faults that an operator puts before a mailbox for a while, to see what delay and loss do to users.
//!
//! Nothing is lost without a word: whoever asks hears `Unavailable` at once, an event is given back and comes again,
//! and what a live thing must never miss, such as the end of a leg, comes late at most. A fault counts what it did.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use protocol::{Error, Result};
use tokio::time::{Duration, Instant, sleep_until, timeout_at};
use uuid::Uuid;

use super::inside::Inside;

/// A third of what a request has: what is only late must not fail.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// Nobody forgets a fault for longer than this.
const LONGEST: Duration = Duration::from_secs(300);
/// Half of what followers wait for whom they ask: no event becomes a dead letter of a drop.
const LONGEST_DROP: Duration = Duration::from_secs(60);
const MOST_DROPPED: usize = 1000;

/// What happens to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Each is taken so much later.
    Delay(Duration),
    /// Each is refused; at most so many.
    Drop(usize),
}

/// A fault, and for how long at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub fault: Fault,
    pub lasts: Duration,
}

impl Order {
    /// # Errors
    /// It has no bound, or one that is too large.
    fn check(&self) -> Result<()> {
        let within = |what: &str, given: u128, most: u128| match (1..=most).contains(&given) {
            true => Ok(()),
            false => Err(Error::invalid(format!("{what} must be 1 to {most}"))),
        };
        let longest = match self.fault {
            Fault::Delay(by) => {
                within("the delay in milliseconds", by.as_millis(), LONGEST_DELAY.as_millis())?;
                LONGEST
            }
            Fault::Drop(most) => {
                within("the number of messages to drop", most as u128, MOST_DROPPED as u128)?;
                LONGEST_DROP
            }
        };
        within("its time in seconds", self.lasts.as_secs().into(), longest.as_secs().into())
    }
}

/// What a fault did so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub id: Uuid,
    pub fault: Fault,
    /// The only live thing whose messages it meets.
    pub only: Option<Uuid>,
    /// Nothing of it is left when it has ended.
    pub left: Duration,
    pub has_ended: bool,
    pub delayed: usize,
    pub dropped: usize,
    /// Requests that were refused because of it, or were not answered in time.
    pub requests_failed: usize,
    /// Deliveries of events that were late, or were given back to come again.
    pub events_late: usize,
    /// Words that nobody waits for an answer to, as a digit of a leg: gone.
    pub messages_lost: usize,
}

/// What a message is to whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Somebody waits for the answer.
    Request,
    /// It is offered again until it is taken.
    Event,
    /// Nobody waits.
    Word,
    /// Nobody may miss it.
    Vital,
}

/// The place of faults before the mailboxes of one kind. While nothing stands there it costs the look at a flag.
#[derive(Default)]
pub struct Faults {
    stands: AtomicBool,
    last: Mutex<Option<Arc<Standing>>>,
    /// Those that are late wait in line: none passes another.
    line: tokio::sync::Mutex<()>,
    late: Inside,
}

/// A message's turn to enter, until it is dropped.
pub(super) type Turn<'a> = tokio::sync::MutexGuard<'a, ()>;

struct Standing {
    id: Uuid,
    order: Order,
    only: Option<Uuid>,
    until: Instant,
    lifted: AtomicBool,
    delayed: AtomicUsize,
    dropped: AtomicUsize,
    requests_failed: AtomicUsize,
    events_late: AtomicUsize,
    messages_lost: AtomicUsize,
}

impl Faults {
    /// Puts a fault here: before all mailboxes, or that of one live thing.
    ///
    /// # Errors
    /// Another one stands here, or it has no bound.
    pub(super) fn put(&self, order: Order, only: Option<Uuid>) -> Result<Report> {
        order.check()?;
        let mut last = self.last();
        if let Some(other) = last.as_ref().filter(|other| !other.is_over()) {
            let left = other.report().left.as_secs() + 1;
            return Err(Error::state(format!("a fault stands there for {left} s more: lift it first")));
        }
        let standing = Arc::new(Standing::new(order, only));
        let report = standing.report();
        *last = Some(standing);
        self.stands.store(true, Ordering::Relaxed);
        Ok(report)
    }

    /// What stands here, or stood here last.
    pub(super) fn report(&self) -> Option<Report> {
        self.last().as_ref().map(|standing| standing.report())
    }

    /// Ends what stands here.
    pub(super) fn lift(&self) -> Option<Report> {
        let last = self.last();
        let standing = last.as_ref()?;
        standing.lifted.store(true, Ordering::Relaxed);
        Some(standing.report())
    }

    /// Lets a message into a pool: at once, or late and in line.
    ///
    /// # Errors
    /// It is dropped, or its time is over before it comes in. Nothing was begun.
    pub(super) async fn pass(&self, message: Message, deadline: Instant) -> Result<Option<Turn<'_>>> {
        match self.standing() {
            None => Ok(None),
            // boxed, because it is rare, and large beside nothing
            Some(standing) => Box::pin(self.wait(standing, message, deadline)).await.map(Some),
        }
    }

    async fn wait(&self, standing: Arc<Standing>, message: Message, deadline: Instant) -> Result<Turn<'_>> {
        // after the end of a delay there may still be some to wait behind
        let due = standing.meet(message, None)?.unwrap_or_else(Instant::now);
        let _late = self.late.enter();
        let late = async {
            let turn = self.line.lock().await;
            sleep_until(due).await;
            turn
        };
        timeout_at(deadline, late).await.map_err(|_| {
            standing.timed_out(message);
            Error { unbegun: true, ..Error::timeout() }
        })
    }

    /// When a message to a live thing may be taken; `None`: at once.
    ///
    /// # Errors
    /// It is dropped.
    pub(super) fn stamp(&self, id: Uuid, message: Message) -> Result<Option<Instant>> {
        match self.standing() {
            Some(standing) => standing.meet(message, Some(id)),
            None => Ok(None),
        }
    }

    /// A request to a live thing was not answered in time: was it late because of a fault?
    pub(super) fn timed_out(&self, id: Uuid) {
        if let Some(standing) = self.standing().filter(|standing| standing.is_about(Some(id))) {
            standing.timed_out(Message::Request);
        }
    }

    /// What stands here, or has still messages in line.
    fn standing(&self) -> Option<Arc<Standing>> {
        if !self.stands.load(Ordering::Relaxed) {
            return None;
        }
        let last = self.last();
        let standing = last.as_ref()?;
        if standing.is_over() && self.late.count() == 0 {
            self.stands.store(false, Ordering::Relaxed);
            return None;
        }
        Some(standing.clone())
    }

    fn last(&self) -> MutexGuard<'_, Option<Arc<Standing>>> {
        self.last.lock().expect("nothing panics while it holds a fault")
    }
}

impl Standing {
    fn new(order: Order, only: Option<Uuid>) -> Self {
        Standing {
            id: Uuid::now_v7(),
            order,
            only,
            until: Instant::now() + order.lasts,
            lifted: AtomicBool::default(),
            delayed: AtomicUsize::default(),
            dropped: AtomicUsize::default(),
            requests_failed: AtomicUsize::default(),
            events_late: AtomicUsize::default(),
            messages_lost: AtomicUsize::default(),
        }
    }

    fn is_about(&self, id: Option<Uuid>) -> bool {
        self.only.is_none() || self.only == id
    }

    fn is_over(&self) -> bool {
        let all_dropped = match self.order.fault {
            Fault::Drop(most) => count(&self.dropped) >= most,
            Fault::Delay(_) => false,
        };
        all_dropped || self.lifted.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    /// What it does to a message: nothing, lets it in at that time, or refuses it.
    fn meet(&self, message: Message, id: Option<Uuid>) -> Result<Option<Instant>> {
        if self.is_over() || !self.is_about(id) {
            return Ok(None);
        }
        match self.order.fault {
            Fault::Delay(by) => {
                add(&self.delayed);
                if message == Message::Event {
                    add(&self.events_late);
                }
                Ok(Some(Instant::now() + by))
            }
            Fault::Drop(most) if message != Message::Vital && self.takes_one(most) => {
                add(match message {
                    Message::Request => &self.requests_failed,
                    Message::Event => &self.events_late,
                    Message::Word | Message::Vital => &self.messages_lost,
                });
                Err(Error::unbegun("dropped on the order of an operator; try again later"))
            }
            Fault::Drop(_) => Ok(None),
        }
    }

    /// Two that come at once do not both take the last one.
    fn takes_one(&self, most: usize) -> bool {
        let taken = |dropped: usize| Some(dropped + 1).filter(|dropped| *dropped <= most);
        self.dropped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    /// It was too late for whoever waited. An event was counted when it came.
    fn timed_out(&self, message: Message) {
        if message == Message::Request {
            add(&self.requests_failed);
        }
    }

    fn report(&self) -> Report {
        let has_ended = self.is_over();
        let left = self.until.saturating_duration_since(Instant::now());
        Report {
            id: self.id,
            fault: self.order.fault,
            only: self.only,
            left: if has_ended { Duration::ZERO } else { left },
            has_ended,
            delayed: count(&self.delayed),
            dropped: count(&self.dropped),
            requests_failed: count(&self.requests_failed),
            events_late: count(&self.events_late),
            messages_lost: count(&self.messages_lost),
        }
    }
}

fn add(to: &AtomicUsize) {
    to.fetch_add(1, Ordering::Relaxed);
}

fn count(of: &AtomicUsize) -> usize {
    of.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests;
