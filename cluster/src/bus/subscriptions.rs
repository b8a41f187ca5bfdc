//! Subscriptions of this process: every event once per name, in order per row, side by side across rows.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use protocol::ports::Subscribe;
use protocol::{Error, Event, Result};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::fact::Fact;
use super::lanes::{Lanes, Place};

/// Deliveries under way at once in one subscription. Enough to keep a store with group commit busy.
const SIDE_BY_SIDE: usize = 64;

/// Names of subscriptions.
pub(super) type Names = BTreeSet<String>;

/// All names and whoever shares them.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<All>);

#[derive(Default)]
struct All {
    subscribed: HashMap<String, Arc<Subscribed>>,
    names: Arc<Names>,
}

impl Subscriptions {
    /// Takes the next place in the event's lane of every subscription in which somebody wants it, but for those that
    /// are left out. Does not wait: the order of calls is the order of deliveries. Events about no row share a lane.
    /// The names are those of all who could have wanted it.
    pub(super) fn enter(&self, event: &Event, is_left_out: impl Fn(&str) -> bool) -> (Vec<Lane>, Arc<Names>) {
        let lane = event.lane();
        let all = self.all();
        let wanted = all.subscribed.values().filter(|of| !is_left_out(&of.name) && of.is_wanted(event));
        let lanes = wanted.map(|of| Lane { of: of.clone(), place: of.lanes.enter(lane) }).collect();
        (lanes, all.names.clone())
    }

    /// Takes part until the member is dropped.
    pub(super) fn join(
        self: &Arc<Self>,
        name: &str,
        connection: Uuid,
        subscriber: Arc<dyn Subscribe>,
    ) -> Member {
        let id = Uuid::now_v7();
        let mut all = self.all();
        let joined = all.subscribed.entry(name.to_owned()).or_insert_with(|| Arc::new(Subscribed::new(name)));
        held(&joined.state).members.push(Joined { id, connection, subscriber });
        all.count();
        Member { of: self.clone(), name: name.to_owned(), id }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        held(&self.0)
    }
}

impl All {
    /// The names, once there are others.
    fn count(&mut self) {
        self.names = Arc::new(self.subscribed.keys().cloned().collect());
    }
}

/// One name and whoever shares it.
struct Subscribed {
    name: String,
    state: Mutex<State>,
    lanes: Arc<Lanes>,
    places: Semaphore,
}

#[derive(Default)]
struct State {
    members: Vec<Joined>,
    turn: usize,
}

/// Somebody who shares a name, and the connection that he is on.
#[derive(Clone)]
struct Joined {
    id: Uuid,
    connection: Uuid,
    subscriber: Arc<dyn Subscribe>,
}

impl Subscribed {
    fn new(name: &str) -> Self {
        let places = Semaphore::new(SIDE_BY_SIDE);
        Subscribed { name: name.to_owned(), state: Mutex::default(), lanes: Arc::default(), places }
    }

    fn is_wanted(&self, event: &Event) -> bool {
        held(&self.state).members.iter().any(|member| member.subscriber.wants(event))
    }

    /// Who is to have a fact that came in by this connection: somebody on the same one, or else whose turn it is. None
    /// when the last member has just left.
    fn member(&self, by: Uuid) -> Option<Joined> {
        let mut state = held(&self.state);
        state.turn = state.turn.wrapping_add(1);
        let turn = state.turn.checked_rem(state.members.len())?;
        let near = state.members.iter().find(|member| member.connection == by);
        near.or_else(|| state.members.get(turn)).cloned()
    }
}

/// A delivery under way. Dropped without success it fails those behind it in its lane: until the same event is dealt
/// with in all lanes, for a later one that came in meanwhile would overtake it.
pub(super) struct Lane {
    of: Arc<Subscribed>,
    place: Place,
}

impl Lane {
    /// Of the subscription.
    pub(super) fn name(&self) -> &str {
        &self.of.name
    }

    /// True when somebody has taken it, false when the last member has left meanwhile.
    pub(super) async fn deliver(&mut self, fact: &Fact) -> Result<bool> {
        self.place.turn().await?;
        let _place = self.of.places.acquire().await.map_err(Error::internal)?;
        let member = self.of.member(fact.by());
        if let Some(member) = &member {
            let event = fact.at(member.connection)?;
            let delivery = AssertUnwindSafe(member.subscriber.deliver(event)).catch_unwind();
            delivery.await.unwrap_or_else(|_| Err(Error::internal("the subscriber panicked")))?;
        }
        self.place.done();
        Ok(member.is_some())
    }
}

/// Takes part in a subscription until dropped.
pub(super) struct Member {
    of: Arc<Subscriptions>,
    name: String,
    id: Uuid,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut all = self.of.all();
        let Some(left) = all.subscribed.get(&self.name) else { return };
        let empty = {
            let mut state = held(&left.state);
            state.members.retain(|member| member.id != self.id);
            state.members.is_empty()
        };
        if empty {
            all.subscribed.remove(&self.name);
            all.count();
        }
    }
}

/// Every change under these locks is a single step, so a panic elsewhere leaves nothing half done.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
