//! Facts for domains of their own node: handed over here, and not by way of the broker.
//!
//! So a node does the work that follows from its facts, and what follows from a call is done where the call is; nodes
//! that share a domain share that work as they share its requests. Other domains, and whoever else listens to the
//! exchange, get the message of the fact; it leaves out the subscriptions of this node (`way.rs`). Nothing depends on
//! this node for longer than its outbox: a fact leaves that only when the broker has it and everybody here has taken it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use protocol::ports::Subscribe;
use protocol::{Error, Event, Result, Status};
use uuid::Uuid;

use super::super::fact::Fact;
use super::super::subscriptions::{Lane, Member, Names, Subscriptions};

/// Facts of which a part is done that are remembered. An outbox has fewer under way; beyond it facts come twice.
const MOST: usize = 4096;

#[derive(Default)]
pub(super) struct Nearby {
    subscriptions: Arc<Subscriptions>,
    begun: Mutex<HashMap<Uuid, Begun>>,
}

/// What was done for a fact that is not done yet: when it is published again, nobody here has it twice.
#[derive(Clone, Default)]
struct Begun {
    /// Whom the message leaves out that the broker has.
    told: Option<Arc<Names>>,
    taken: Names,
    /// Who refused it for good, here. Offered by way of its queue, and refused again, it gets to the dead letters.
    refused: Names,
}

impl Nearby {
    /// Takes part until the member is dropped.
    pub(super) fn join(&self, name: &str, subscriber: Arc<dyn Subscribe>) -> Member {
        self.subscriptions.join(name, Uuid::nil(), subscriber)
    }

    /// Takes the fact's place in the lanes of all who are to have it here. The order of calls is the order of deliveries.
    pub(super) fn begin(&self, event: &Arc<Event>) -> Round {
        let begun = self.begun().get(&event.id).cloned().unwrap_or_default();
        let is_done = |name: &str| begun.taken.contains(name) || begun.refused.contains(name);
        let (lanes, here) = self.subscriptions.enter(event, is_done);
        Round { fact: Fact::new(Uuid::nil(), event.clone()), lanes, here, begun }
    }

    /// What has no id of its own cannot be told from the next: it comes again rather than not at all.
    pub(super) fn end(&self, event: &Event, round: Round, is_done: bool) {
        let mut begun = self.begun();
        if is_done || event.id.is_nil() {
            begun.remove(&event.id);
            return;
        }
        if begun.len() >= MOST {
            begun.clear();
        }
        begun.insert(event.id, round.begun);
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<Uuid, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One publication of a fact.
pub(super) struct Round {
    fact: Fact,
    lanes: Vec<Lane>,
    /// Everybody who is here, whether they want it or not.
    here: Arc<Names>,
    begun: Begun,
}

impl Round {
    /// Whom the message must leave out: those who have the fact, get it here, or could have wanted it here. `None`: the
    /// broker has such a message.
    pub(super) fn left_out(&self) -> Option<Arc<Names>> {
        let Begun { told, taken, refused } = &self.begun;
        let seen_to = match taken.is_empty() && refused.is_empty() {
            true => self.here.clone(),
            false => {
                Arc::new(self.here.union(taken).filter(|name| !refused.contains(*name)).cloned().collect())
            }
        };
        match told {
            Some(told) if told.is_subset(&seen_to) => None,
            _ => Some(seen_to),
        }
    }

    pub(super) fn told(&mut self, left_out: Arc<Names>) {
        self.begun.told = Some(left_out);
    }

    /// Every one of them takes it, or there is an error: the first one's.
    pub(super) async fn deliver(&mut self) -> Result<()> {
        let Round { fact, lanes, begun, .. } = self;
        let done = join_all(lanes.iter_mut().map(|lane| lane.deliver(fact))).await;
        let mut outcome = Ok(());
        for (lane, done) in lanes.iter().zip(done) {
            let name = lane.name().to_owned();
            let failure = match done {
                Ok(true) => {
                    begun.taken.insert(name);
                    continue;
                }
                Ok(false) => Error::unavailable(format!("{name} has just left")),
                Err(error) => error,
            };
            if failure.status != Status::Unavailable {
                begun.refused.insert(name);
            }
            outcome = outcome.and(Err(failure));
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;

    /// Counts what it takes.
    #[derive(Default)]
    struct Counts(AtomicUsize);

    #[async_trait]
    impl Subscribe for Counts {
        async fn deliver(&self, _: Arc<Event>) -> Result<()> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    fn event(id: Uuid) -> Arc<Event> {
        let event =
            serde_json::json!({"type": "tag_created", "publisher": "tag-manager", "data_type": "", "id": id});
        Arc::new(serde_json::from_value(event).expect("an event"))
    }

    /// Both are delivered here, and the broker has neither.
    async fn delivered(ids: [Uuid; 2]) -> usize {
        let (nearby, counts) = (Nearby::default(), Arc::new(Counts::default()));
        let _member = nearby.join("f", counts.clone());
        for id in ids {
            let event = event(id);
            let mut round = nearby.begin(&event);
            round.deliver().await.expect("it is taken");
            nearby.end(&event, round, false);
        }
        counts.0.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn a_fact_that_is_published_again_is_known_by_its_id_and_one_without_an_id_never() {
        let id = Uuid::from_u128(1);
        assert_eq!(delivered([id, id]).await, 1);
        assert_eq!(delivered([id, Uuid::from_u128(2)]).await, 2);
        assert_eq!(delivered([Uuid::nil(), Uuid::nil()]).await, 2);
    }
}
