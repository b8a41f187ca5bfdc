//! Actors that live as long as the thing they stand for: a call, a bridge, a running flow.
//!
//! The id is the address; ractor's handle stays in here. Their truth is stored: one that crashes is rebuilt
//! from it by its [`Keeper`](super::Keeper), at once after a crash and all of them after a start of the node.

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use protocol::{Context, Error, Result};
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant, sleep_until, timeout_at};
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::fault::{Faults, Message};
use super::tree::{Branch, Kind, Leaf, State};

/// Messages that wait for one live thing. A call gets a handful a second.
const CREDITS: usize = 256;
/// When it is looked for what may be stored: soon, and when no transaction that was given up can end any more.
const LOOKS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(20)];
/// A killed actor ends at its next await.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a live thing does after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Go,
    /// It is over; its actor ends.
    End,
}

/// The behaviour of one live thing.
pub(crate) trait Living: Sized + Send + 'static {
    type Message: Send + 'static;
    /// What its log lines say of it when no request stands behind a message.
    fn span(&self) -> Span {
        Span::none()
    }
    /// An error means that something may have changed that this actor does not know of: the actor ends and
    /// the thing is rebuilt from what is stored. A refusal goes into the reply inside the message.
    fn handle(
        &mut self,
        message: Self::Message,
        me: &Myself<Self::Message>,
    ) -> impl Future<Output = Result<Then>> + Send;
}

pub(crate) struct Letter<M> {
    message: M,
    /// Not to be taken before. Those behind it wait, too.
    due: Option<Instant>,
    _credit: Option<OwnedSemaphorePermit>,
}

/// A live thing's handle to itself.
pub(crate) struct Myself<M: Send + 'static>(ActorRef<Letter<M>>);

/// A message to oneself that is on its way. Dropping it cancels it.
pub(crate) struct Alarm(AbortHandle);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<M: Send + 'static> Myself<M> {
    /// Runs slow work beside the mailbox and hears of its end as a message. Dropping the alarm drops the work.
    #[expect(clippy::disallowed_methods, reason = "the alarm owns the task")]
    pub(crate) fn later(&self, work: impl Future<Output = M> + Send + 'static) -> Alarm {
        let me = self.0.clone();
        let task = tokio::spawn(async move {
            let message = work.await;
            let _ = me.cast(Letter { message, due: None, _credit: None });
        });
        Alarm(task.abort_handle())
    }

    pub(crate) fn after(&self, wait: Duration, message: M) -> Alarm {
        let mut message = Some(message);
        let once = "an alarm goes off once";
        let letter = move || Letter { message: message.take().expect(once), due: None, _credit: None };
        Alarm(send_once(&self.0, wait, letter))
    }
}

fn send_once<M: Send + 'static>(
    to: &ActorRef<Letter<M>>,
    wait: Duration,
    letter: impl FnMut() -> Letter<M> + Send + 'static,
) -> AbortHandle {
    to.send_after(wait, letter).abort_handle()
}

/// The live things of one kind on this node.
pub(crate) struct Live<T: Living>(Arc<Mutex<Registry<T::Message>>>, Arc<Faults>);

struct Registry<M: Send + 'static> {
    nursery: Option<ActorCell>,
    /// Has the nursery rebuild what is stored, after a while.
    recover: Option<Box<dyn Fn(Duration) + Send>>,
    known: HashMap<Uuid, Known<M>>,
    ids: HashMap<ActorId, Uuid>,
    /// Crashed and not yet rebuilt.
    broken: HashSet<Uuid>,
    /// Stored, or about to be, and not yet started.
    expected: HashSet<Uuid>,
}

/// Somebody is about to start it.
pub(crate) struct Expected<T: Living>(Live<T>, Uuid);

impl<T: Living> Drop for Expected<T> {
    fn drop(&mut self) {
        self.0.lock().expected.remove(&self.1);
    }
}

type Address<M> = (ActorRef<Letter<M>>, Arc<Semaphore>);

struct Known<M: Send + 'static> {
    actor: ActorRef<Letter<M>>,
    credits: Arc<Semaphore>,
    since: Instant,
}

impl<T: Living> Default for Live<T> {
    fn default() -> Self {
        let registry = Registry {
            nursery: None,
            recover: None,
            known: HashMap::new(),
            ids: HashMap::new(),
            broken: HashSet::new(),
            expected: HashSet::new(),
        };
        Live(Arc::new(Mutex::new(registry)), Arc::default())
    }
}

impl<T: Living> Clone for Live<T> {
    fn clone(&self) -> Self {
        Live(self.0.clone(), self.1.clone())
    }
}

impl<T: Living> Live<T> {
    /// Starts the actor of `id`. One that already lives is left alone and `false` is returned.
    pub(crate) async fn spawn(&self, id: Uuid, thing: T) -> Result<bool> {
        let nursery = {
            let registry = self.lock();
            if registry.known.contains_key(&id) {
                return Ok(false);
            }
            registry.nursery.clone().ok_or_else(|| Error::unavailable("the domain is starting"))?
        };
        let args = (id, self.clone(), thing);
        let spawned = Actor::spawn_linked(None, Alive(PhantomData::<fn() -> T>), args, nursery).await;
        match spawned {
            Ok(_) => Ok(true),
            // somebody else was faster
            Err(_) if self.has(id) => Ok(false),
            Err(error) => Err(Error::internal(error)),
        }
    }

    pub(crate) fn has(&self, id: Uuid) -> bool {
        self.lock().known.contains_key(&id)
    }

    /// Its row is stored before its actor starts: until the answer is dropped nobody may take it for one that was
    /// left behind.
    pub(crate) fn expect(&self, id: Uuid) -> Expected<T> {
        self.lock().expected.insert(id);
        Expected(self.clone(), id)
    }

    /// Does it live, or is it about to?
    pub(crate) fn knows(&self, id: Uuid) -> bool {
        let registry = self.lock();
        registry.known.contains_key(&id) || registry.expected.contains(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().known.len()
    }

    /// Gives a live thing a message. `Unavailable` when too many wait already or it is being rebuilt,
    /// `NotFound` when it is gone.
    pub(crate) fn tell(&self, id: Uuid, message: T::Message) -> Result<()> {
        self.put(id, message, Message::Word)
    }

    fn put(&self, id: Uuid, message: T::Message, what: Message) -> Result<()> {
        let (actor, credits) = self.address(id)?;
        let credit =
            credits.try_acquire_owned().map_err(|_| Error::unavailable("too many messages wait for it"))?;
        let due = self.1.stamp(id, what)?;
        let letter = Letter { message, due, _credit: Some(credit) };
        actor.cast(letter).map_err(|_| Error::not_found())
    }

    /// As [`Live::tell`] without the limit: for what must never be lost, such as the end of a leg.
    pub(crate) fn insist(&self, id: Uuid, message: T::Message) -> Result<()> {
        let (actor, _) = self.address(id)?;
        let due = self.1.stamp(id, Message::Vital)?;
        actor.cast(Letter { message, due, _credit: None }).map_err(|_| Error::not_found())
    }

    /// Gives it a message that carries a reply, and waits for that until the deadline.
    pub(crate) async fn ask<R>(
        &self,
        id: Uuid,
        by: &Context,
        message: impl FnOnce(oneshot::Sender<Result<R>>) -> T::Message,
    ) -> Result<R> {
        let (reply, answer) = oneshot::channel();
        self.put(id, message(reply), Message::Request)?;
        match timeout_at(by.deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(rebuilding()),
            Err(_) => {
                self.1.timed_out(id);
                Err(Error::timeout())
            }
        }
    }

    fn address(&self, id: Uuid) -> Result<Address<T::Message>> {
        let registry = self.lock();
        match registry.known.get(&id) {
            Some(known) => Ok((known.actor.clone(), known.credits.clone())),
            None if registry.broken.contains(&id) => Err(rebuilding()),
            None => Err(Error::not_found()),
        }
    }

    fn enter(&self, id: Uuid, actor: ActorRef<Letter<T::Message>>) -> bool {
        let mut registry = self.lock();
        if registry.known.contains_key(&id) {
            return false;
        }
        registry.broken.remove(&id);
        registry.ids.insert(actor.get_id(), id);
        let credits = Arc::new(Semaphore::new(CREDITS));
        registry.known.insert(id, Known { actor, credits, since: Instant::now() });
        true
    }

    /// Forgets the actor, unless another one has taken its place.
    pub(super) fn leave(&self, actor: ActorId, crashed: bool) -> Option<Uuid> {
        let mut registry = self.lock();
        let id = registry.ids.remove(&actor)?;
        if registry.known.get(&id).is_some_and(|known| known.actor.get_id() == actor) {
            registry.known.remove(&id);
            if crashed {
                registry.broken.insert(id);
            }
        }
        Some(id)
    }

    /// A nursery that ended took its actors with it, and nobody was left to hear of that: forgets them, once
    /// they are gone, so that all can be rebuilt.
    pub(super) async fn clear(&self) {
        let orphans: Vec<_> = {
            let mut registry = self.lock();
            registry.ids.clear();
            registry.broken.clear();
            registry.known.drain().map(|(_, known)| known.actor).collect()
        };
        let gone = orphans.iter().map(|actor| {
            actor.kill();
            actor.wait(Some(LAST_WORDS))
        });
        join_all(gone).await;
    }

    fn leaves(&self, most: usize) -> Vec<Leaf> {
        let registry = self.lock();
        let leaf = |(id, known): (&Uuid, &Known<T::Message>)| Leaf {
            name: id.to_string(),
            kind: Kind::Actor,
            state: State::Running,
            age: known.since.elapsed(),
            depth: CREDITS - known.credits.available_permits(),
            restarts: 0,
            last_error: String::new(),
            fault: None,
            children: Vec::new(),
        };
        registry.known.iter().take(most).map(leaf).collect()
    }

    /// Puts them into the tree, at the place of their nursery.
    pub(super) fn show(&self, branch: &Branch) {
        let (count, list, seek) = (self.clone(), self.clone(), self.clone());
        branch.depth(move || count.len());
        branch.faults(&self.1);
        let find = move |id: &str| seek.address(id.parse().ok()?).ok().map(|(actor, _)| actor.get_cell());
        branch.crowd(move |most| list.leaves(most), find);
    }

    /// Those that start from now on are this nursery's children, and it rebuilds what is stored.
    pub(super) fn open(&self, nursery: ActorCell, recover: impl Fn(Duration) + Send + 'static) {
        let mut registry = self.lock();
        registry.nursery = Some(nursery);
        registry.recover = Some(Box::new(recover));
    }

    /// Rebuilds what is stored for this node and not alive: it may have become this node's just now. A domain
    /// that is starting does so by itself.
    pub(super) fn recover(&self) {
        self.recover_after(Duration::ZERO);
    }

    fn recover_after(&self, wait: Duration) {
        if let Some(recover) = &self.lock().recover {
            recover(wait);
        }
    }

    /// How storing something that lives has ended. When nobody knows, it is looked for: it may be stored, and whoever
    /// would have started it has given up.
    pub(crate) fn stored<R>(&self, outcome: Result<R>) -> Result<R> {
        if outcome.as_ref().is_err_and(Error::is_commit_unknown) {
            LOOKS.into_iter().for_each(|wait| self.recover_after(wait));
        }
        outcome
    }

    /// It is no longer about to be rebuilt.
    pub(super) fn mend(&self, id: Uuid) {
        self.lock().broken.remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry<T::Message>> {
        self.0.lock().expect("nothing panics while it holds the registry")
    }
}

fn rebuilding() -> Error {
    Error::unavailable("it is being rebuilt; try again")
}

struct Alive<T>(PhantomData<fn() -> T>);

struct Life<T: Living> {
    thing: T,
    live: Live<T>,
    me: Myself<T::Message>,
}

impl<T: Living> Actor for Alive<T> {
    type Msg = Letter<T::Message>;
    type State = Life<T>;
    type Arguments = (Uuid, Live<T>, T);

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        (id, live, thing): Self::Arguments,
    ) -> Result<Life<T>, ActorProcessingErr> {
        if !live.enter(id, myself.clone()) {
            return Err("it already lives".into());
        }
        Ok(Life { thing, live, me: Myself(myself) })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        letter: Self::Msg,
        life: &mut Life<T>,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(due) = letter.due {
            sleep_until(due).await;
        }
        let span = Some(Span::current()).filter(|span| !span.is_none()).unwrap_or_else(|| life.thing.span());
        if let Then::End = life.thing.handle(letter.message, &life.me).instrument(span).await? {
            life.live.leave(myself.get_id(), false);
            myself.stop(None);
        }
        Ok(())
    }
}
