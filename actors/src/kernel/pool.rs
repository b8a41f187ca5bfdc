//! A domain's mailbox: bounded, ordered per key, side by side across keys.
//!
//! ractor never refuses a message, so every envelope carries a credit; no credit, no entry, and the caller hears so at
//! once. Its factory takes two messages more for each job than [`Crew`] does, and they cost more than a short job.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, RwLock};
use std::task::Poll;

use futures_util::{FutureExt as _, poll};
use protocol::{Context, Error, Event, Op, Request, Resource, Result, Row, Status};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Duration, Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug_span};
use uuid::Uuid;

use super::child::{Child, Halt, Started};
use super::crew::{self, Crew, Shift};
use super::domain::{By, Domain, Handler};
use super::fault::{Faults, Message};
use super::figures::{Figures, Queued};
use super::inside::Inside;
use super::task;
use super::tree::{Kind, Waiting};

/// Requests that one domain works on at the same time. They wait for the store, not for the processor.
const WORKERS: usize = 32;
/// Requests accepted and not yet answered. More than this many cannot be answered in time anyway.
const CREDITS: usize = 1024;
/// Events have credits of their own: requests never starve facts.
const EVENT_CREDITS: usize = 256;
/// Work that began in time may end late by so much. Then it is dropped: what hangs must not keep a worker.
const GRACE: Duration = Duration::from_secs(30);

struct Envelope {
    domain: Arc<Domain>,
    work: Work,
    waits: Queued,
    _credit: OwnedSemaphorePermit,
}

enum Work {
    Request(Box<Request>, Option<Handler>, oneshot::Sender<Result<Value>>),
    Event(&'static str, Arc<Event>, Instant, oneshot::Sender<Result<()>>),
}

/// A handle that outlives the actors behind it: the supervisor swaps in the replacement.
#[derive(Clone)]
pub struct Mailbox(Arc<Door>);

struct Door {
    domain: Arc<Domain>,
    /// Of the pool that runs, or ran last.
    crew: RwLock<Option<Arc<Crew<Envelope>>>>,
    credits: Arc<Semaphore>,
    event_credits: Arc<Semaphore>,
    figures: Figures,
    /// Requests that wait in live things, or for the store, instead of the pool.
    direct: Inside,
    faults: Arc<Faults>,
}

impl Mailbox {
    pub fn new(domain: Arc<Domain>) -> Self {
        Mailbox(Arc::new(Door {
            figures: Figures::new(domain.name, CREDITS),
            domain,
            crew: RwLock::default(),
            credits: Arc::new(Semaphore::new(CREDITS)),
            event_credits: Arc::new(Semaphore::new(EVENT_CREDITS)),
            direct: Inside::default(),
            faults: Arc::default(),
        }))
    }

    pub fn domain(&self) -> &Arc<Domain> {
        &self.0.domain
    }

    /// Requests accepted and not yet answered.
    pub fn depth(&self) -> usize {
        CREDITS - self.0.credits.available_permits()
    }

    fn waiting(&self) -> Waiting {
        let requests = self.depth().saturating_sub(self.0.direct.count());
        Waiting { requests, events: EVENT_CREDITS - self.0.event_credits.available_permits() }
    }

    /// Waits until a request would be accepted: a consumer of a queue takes no more than that.
    pub async fn ready(&self) {
        let _ = self.0.credits.acquire().await;
    }

    /// Does its pool run? While the domain is down, everything is refused.
    pub fn is_up(&self) -> bool {
        self.is_up_or_why().is_ok()
    }

    /// Has the domain answer the request, on the node where its item lives. Full: `Unavailable` at once, and
    /// `unbegun`: only this domain's own door says so. Late: `REQUEST_TIMEOUT`.
    pub async fn ask(&self, request: Request) -> Result<Value> {
        let counted = self.counted(async {
            let credit = self.credit()?;
            if let Some(answer) = self.where_it_was(&request).await {
                return answer;
            }
            match self.elsewhere(&request).await? {
                Some(node) => self.0.domain.send(&node, request).await,
                None => self.answer(request, credit).await,
            }
        });
        counted.await
    }

    /// As [`Mailbox::ask`], for a request that was sent here because its item was here.
    pub async fn ask_here(&self, request: Request) -> Result<Value> {
        self.counted(async { self.answer(request, self.credit()?).await }).await
    }

    /// As [`Mailbox::ask`] for one row, to look at only.
    pub async fn look(&self, resource: &'static Resource, id: Uuid, by: &Context) -> Result<Arc<Row>> {
        let rows = self.0.domain.rows(resource);
        self.counted(async {
            let _credit = self.credit()?;
            self.at_once(by.deadline, rows.look(by.scope, id)).await
        })
        .await
    }

    /// As [`Mailbox::look`], these columns of it.
    pub async fn part(
        &self,
        resource: &'static Resource,
        id: Uuid,
        columns: &'static [&'static str],
        by: &Context,
    ) -> Result<Row> {
        let rows = self.0.domain.rows(resource);
        self.counted(async {
            let _credit = self.credit()?;
            self.at_once(by.deadline, rows.part(by.scope, id, columns)).await
        })
        .await
    }

    pub(super) fn figures(&self) -> &Figures {
        &self.0.figures
    }

    async fn counted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        // finer than the log: lines are the service's whose code writes them, and a span is not free
        let (since, span) = (Instant::now(), debug_span!("domain", service = self.0.domain.name));
        let done = pin!(work).instrument(span.clone()).await;
        self.0.figures.answered(&span, since, &done);
        done
    }

    /// The answer of the node on which the item was a while ago. `None`: it is not known there, or nobody is there, so
    /// nothing was done.
    async fn where_it_was(&self, request: &Request) -> Option<Result<Value>> {
        let home = self.0.domain.home(request)?;
        let answer = self.0.domain.send(&home.remembered(request)?, request.clone()).await;
        let is_gone = answer.as_ref().is_err_and(|error| error.unbegun || error.status == Status::NotFound);
        if is_gone {
            request.op.id().into_iter().for_each(|id| home.forget(id));
        }
        (!is_gone).then_some(answer)
    }

    async fn elsewhere(&self, request: &Request) -> Result<Option<String>> {
        // most resources live nowhere, and a timer for nothing is not free
        let elsewhere = self.0.domain.home(request).and_then(|home| home.elsewhere(request));
        let Some(elsewhere) = elsewhere else { return Ok(None) };
        timeout_at(request.context.deadline, elsewhere).await.map_err(|_| Error::timeout())?
    }

    fn credit(&self) -> Result<OwnedSemaphorePermit> {
        self.0.credits.clone().try_acquire_owned().map_err(|_| refused(self.0.domain.name))
    }

    async fn answer(&self, request: Request, credit: OwnedSemaphorePermit) -> Result<Value> {
        let deadline = request.context.deadline;
        if let Op::Get(id) = request.op {
            let rows = self.0.domain.rows(request.resource);
            let row = Box::pin(self.at_once(deadline, rows.look(request.context.scope, id))).await?;
            return Ok(Value::Object(Arc::unwrap_or_clone(row)));
        }
        let handler = match self.0.domain.handler(&request) {
            // it only reads, or waits in the mailbox of a live thing
            Some((handler, By::Asker)) => {
                let work = self.0.domain.serve(request, Some(handler));
                return self.in_place(deadline, work).await;
            }
            Some((handler, By::Worker)) => Some(handler.clone()),
            None => None,
        };
        let (reply, answer) = oneshot::channel();
        let (key, work) = (request.key(), Work::Request(Box::new(request), handler, reply));
        let turn = self.0.faults.pass(Message::Request, deadline).await?;
        self.send(key, work, credit)?;
        drop(turn);
        answered(deadline, answer).await
    }

    /// One row is there at once or takes one short question to the store, so the way to a worker would cost more.
    async fn at_once<T>(&self, deadline: Instant, look: impl Future<Output = Result<T>>) -> Result<T> {
        drop(self.0.faults.pass(Message::Request, deadline).await?);
        self.is_up_or_why()?;
        self.in_place(deadline, look).await
    }

    /// Does work that takes no worker, in the task of its caller.
    async fn in_place<T>(&self, deadline: Instant, work: impl Future<Output = Result<T>>) -> Result<T> {
        let _inside = self.0.direct.enter();
        let done = in_time(deadline, AssertUnwindSafe(work).catch_unwind()).await;
        let done = done.map_or_else(|| Err(Error::timeout()), |done| done.unwrap_or_else(|_| Err(lost())));
        done.map_err(Error::begun)
    }

    /// Has follower `name` take an event, in the order of events about the same row.
    pub(super) async fn follow(
        &self,
        name: &'static str,
        event: Arc<Event>,
        deadline: Instant,
    ) -> Result<()> {
        let follower = self.0.domain.follower(name)?;
        if follower.by == By::Asker {
            drop(self.0.faults.pass(Message::Event, deadline).await?);
            self.is_up_or_why()?;
            return self.in_place(deadline, follower.take(event)).await;
        }
        let credit =
            self.0.event_credits.clone().acquire_owned().await.map_err(|_| refused(self.0.domain.name))?;
        let key = event.lane();
        let (reply, answer) = oneshot::channel();
        let work = Work::Event(name, event, deadline, reply);
        let turn = self.0.faults.pass(Message::Event, deadline).await?;
        self.send(key, work, credit)?;
        drop(turn);
        answered(deadline, answer).await
    }

    fn send(&self, key: Uuid, work: Work, _credit: OwnedSemaphorePermit) -> Result<()> {
        let envelope = || {
            let (domain, waits) = (self.0.domain.clone(), self.0.figures.waits());
            Envelope { domain, work, waits, _credit }
        };
        self.with_crew(|crew| crew.take(key, envelope()))
    }

    fn is_up_or_why(&self) -> Result<()> {
        self.with_crew(Crew::takes)
    }

    /// Those who work behind this mailbox; false means that they take nothing.
    fn with_crew(&self, takes: impl FnOnce(&Crew<Envelope>) -> bool) -> Result<()> {
        let crew = self.0.crew.read().expect("nothing panics while it holds the mailbox");
        match crew.as_deref().map(takes) {
            Some(true) => Ok(()),
            Some(false) => Err(Error::unbegun("the domain is restarting")),
            None => Err(Error::unbegun("the domain is starting")),
        }
    }

    /// The pool behind this mailbox, as a child of its domain's supervisor.
    pub fn child(&self) -> Child {
        let mailbox = self.clone();
        Child::new("pool", Kind::Pool, move |parent, branch: Arc<super::Branch>| {
            let token = CancellationToken::new();
            let (depth, waiting) = (mailbox.clone(), mailbox.clone());
            branch.depth(move || depth.depth());
            branch.waiting(move || waiting.waiting());
            branch.faults(&mailbox.0.faults);
            let begun = task::begin(parent, Box::pin(mailbox.begin().serve(token.clone())), token.clone());
            let drain = Arc::new(move || token.cancel());
            async move { Ok(Started { cell: begun.await?, halt: Halt::Ask(drain) }) }
        })
    }

    /// From now on what comes is taken.
    fn begin(&self) -> Shift<Envelope> {
        let shift = Crew::of(WORKERS);
        *self.0.crew.write().expect("nothing panics while it holds the mailbox") = Some(shift.crew());
        shift
    }
}

async fn answered<T>(deadline: Instant, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
    match timeout_at(deadline, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(lost()),
        Err(_) => Err(Error::timeout()),
    }
}

fn lost() -> Error {
    Error::unavailable("the request was lost in a crash; whether it was done is unknown")
}

fn refused(domain: &str) -> Error {
    metrics::counter!("requests_refused_total", "domain" => domain.to_owned()).increment(1);
    Error::unbegun("the platform is overloaded; try again later")
}

impl crew::Work for Envelope {
    async fn done(self) {
        let Envelope { domain, work, waits, _credit } = self;
        let span = waits.begun();
        match work {
            // nobody waits for it any more: it would only make the next one late too
            Work::Request(_, _, reply) if reply.is_closed() => {}
            Work::Request(request, handler, reply) => {
                let limit = request.context.deadline + GRACE;
                let done = ended(domain.name, limit, domain.serve(*request, handler.as_ref()))
                    .instrument(span)
                    .await;
                drop(reply.send(done.map_err(Error::begun)));
            }
            Work::Event(_, _, _, reply) if reply.is_closed() => {}
            Work::Event(name, event, deadline, reply) => {
                let work = async { domain.follower(name)?.take(event).await };
                let done = ended(domain.name, deadline + GRACE, work).instrument(span).await;
                // a domain further inside that had not begun is no excuse: this one has
                drop(reply.send(done.map_err(Error::begun)));
            }
        }
    }
}

async fn ended<T>(service: &str, limit: Instant, work: impl Future<Output = Result<T>>) -> Result<T> {
    in_time(limit, work).await.unwrap_or_else(|| {
        tracing::error!(service, "work that did not end was dropped");
        Err(Error::timeout())
    })
}

/// What is done at its first step needs no timer.
async fn in_time<T>(limit: Instant, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    match poll!(&mut work) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => timeout_at(limit, work).await.ok(),
    }
}
