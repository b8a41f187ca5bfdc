//! Subscriptions: every event once per queue name, in order per row, side by side across rows.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use protocol::ports::Subscribe;
use protocol::{Error, Event, Result};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::super::lanes::{Lanes, Place};
use super::fact::Fact;
use super::{Broker, held};

/// Deliveries under way at once in one subscription. Enough to keep a store with group commit busy.
const SIDE_BY_SIDE: usize = 64;

/// One queue name and whoever shares it.
pub(super) struct Subscribed {
    state: Mutex<State>,
    lanes: Arc<Lanes>,
    places: Semaphore,
}

#[derive(Default)]
struct State {
    members: Vec<Joined>,
    turn: usize,
}

/// Somebody who shares a queue name, and the connection that he is on.
#[derive(Clone)]
struct Joined {
    id: Uuid,
    connection: Uuid,
    subscriber: Arc<dyn Subscribe>,
}

impl Subscribed {
    fn new() -> Self {
        Subscribed { state: Mutex::default(), lanes: Arc::default(), places: Semaphore::new(SIDE_BY_SIDE) }
    }

    /// Takes the next place in the event's lane, if anybody wants it. Events about no row share one.
    pub(super) fn enter(self: &Arc<Self>, event: &Event, lane: Uuid) -> Option<Lane> {
        let wanted = held(&self.state).members.iter().any(|member| member.subscriber.wants(event));
        wanted.then(|| Lane { of: self.clone(), place: self.lanes.enter(lane) })
    }

    /// Whose turn it is. None when the last member has just left.
    fn member(&self) -> Option<Joined> {
        let mut state = held(&self.state);
        state.turn = state.turn.wrapping_add(1);
        let turn = state.turn.checked_rem(state.members.len())?;
        state.members.get(turn).cloned()
    }
}

/// A delivery under way. Dropped without success it fails those behind it in its lane: until the same event is dealt
/// with in all lanes, for a later one that came in meanwhile would overtake it.
pub(super) struct Lane {
    of: Arc<Subscribed>,
    place: Place,
}

impl Lane {
    pub(super) async fn deliver(&mut self, fact: &Fact) -> Result<()> {
        self.place.turn().await?;
        let _place = self.of.places.acquire().await.map_err(Error::internal)?;
        if let Some(member) = self.of.member() {
            let event = fact.at(member.connection)?;
            let delivery = AssertUnwindSafe(member.subscriber.deliver(event)).catch_unwind();
            delivery.await.unwrap_or_else(|_| Err(Error::internal("the subscriber panicked")))?;
        }
        self.place.done();
        Ok(())
    }
}

/// Takes part in a subscription until dropped.
pub(super) struct Member {
    broker: Broker,
    queue: String,
    id: Uuid,
}

impl Member {
    pub(super) fn join(
        broker: &Broker,
        connection: Uuid,
        queue: &str,
        subscriber: Arc<dyn Subscribe>,
    ) -> Self {
        let id = Uuid::now_v7();
        let mut all = broker.subscriptions();
        let joined = all.entry(queue.to_owned()).or_insert_with(|| Arc::new(Subscribed::new()));
        held(&joined.state).members.push(Joined { id, connection, subscriber });
        Member { broker: broker.clone(), queue: queue.to_owned(), id }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut all = self.broker.subscriptions();
        let Some(left) = all.get(&self.queue) else { return };
        let empty = {
            let mut state = held(&left.state);
            state.members.retain(|member| member.id != self.id);
            state.members.is_empty()
        };
        if empty {
            all.remove(&self.queue);
        }
    }
}
