//! Where the live things of one kind are kept: it rebuilds one that crashed, and all of them after a start.
//!
//! It never waits for a store that is away: it tries again later, and hears of other crashes meanwhile.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use protocol::{Error, Result, Status};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use super::child::{Child, Halt, Started};
use super::live::{Live, Living};
use super::supervisor::Budget;
use super::tree::{Branch, Kind};

/// What could not be rebuilt because the store is away is tried again after this. The engine keeps the media
/// up meanwhile, so there is no reason to give it up.
const PAUSE: Duration = Duration::from_secs(2);

/// How the live things of one kind come back.
pub(crate) trait Keeper: Send + Sync + 'static {
    /// Rebuilds everything that is stored for this node and not alive. Runs when the domain starts, and when it
    /// has taken over what another node left behind.
    fn recover(&self) -> impl Future<Output = Result<()>> + Send;
    /// Rebuilds one thing whose actor crashed.
    fn rebuild(&self, id: Uuid) -> impl Future<Output = Result<()>> + Send;
    /// It crashed too often: ends it with a reason, so that nothing waits for it.
    fn abandon(&self, id: Uuid) -> impl Future<Output = ()> + Send;
}

impl Child {
    /// The place of all live things of one kind, with the one who rebuilds them.
    pub(crate) fn live<T: Living, K: Keeper>(name: &'static str, live: &Live<T>, keeper: &Arc<K>) -> Self {
        let (live, keeper) = (live.clone(), keeper.clone());
        Child::new(name, Kind::Live, move |parent, branch: Arc<Branch>| {
            let (live, keeper) = (live.clone(), keeper.clone());
            async move {
                live.show(&branch);
                live.clear().await;
                let crashes = metrics::counter!("live_crashes_total", "kind" => name);
                let nursery = Nursery { live: live.clone(), keeper, crashes };
                let (nursery, _) = Actor::spawn_linked(None, nursery, (), parent).await?;
                let again = nursery.clone();
                let recover = move |wait| drop(again.send_after(wait, || Order::Recover));
                // what is stored is recovered after the domain's other children have started
                recover(Duration::ZERO);
                live.open(nursery.get_cell(), recover);
                Ok(Started { cell: nursery.get_cell(), halt: Halt::Stop })
            }
        })
    }
}

struct Nursery<T: Living, K: Keeper> {
    live: Live<T>,
    keeper: Arc<K>,
    crashes: metrics::Counter,
}

enum Order {
    /// Rebuild everything.
    Recover,
    /// Try to rebuild this one again.
    Rebuild(Uuid),
}

impl<T: Living, K: Keeper> Actor for Nursery<T, K> {
    type Msg = Order;
    /// When each thing crashed lately.
    type State = HashMap<Uuid, Vec<Instant>>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok(HashMap::new())
    }

    async fn handle(
        &self,
        myself: ActorRef<Order>,
        order: Order,
        _: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match order {
            Order::Recover => match self.keeper.recover().await {
                Err(error) if error.status == Status::Unavailable => {
                    tracing::warn!(%error, retry_in = ?PAUSE, "live things not yet recovered");
                    myself.send_after(PAUSE, || Order::Recover);
                }
                recovered => recovered?,
            },
            Order::Rebuild(id) => self.rebuild(id, &myself).await,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Order>,
        event: SupervisionEvent,
        crashes: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, error, outage) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, Some(error.to_string()), is_outage(&error)),
            SupervisionEvent::ActorTerminated(cell, _, reason) => (cell, reason, false),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        let left = self.live.leave(cell.get_id(), error.is_some());
        if let (Some(id), Some(error)) = (left, error) {
            tracing::error!(%id, error, "live actor crashed");
            self.crashes.increment(1);
            if !outage && too_often(crashes, id) {
                self.give_up(id, &Error::unavailable("it crashed too often")).await;
            } else {
                self.rebuild(id, &myself).await;
            }
        }
        Ok(())
    }
}

/// A store that is away for a while is no fault of the thing: it waits for it, however often.
fn is_outage(error: &ActorProcessingErr) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.status == Status::Unavailable)
}

fn too_often(crashes: &mut HashMap<Uuid, Vec<Instant>>, id: Uuid) -> bool {
    let budget = Budget::default();
    crashes.retain(|_, times| {
        times.retain(|time| time.elapsed() < budget.period);
        !times.is_empty()
    });
    let times = crashes.entry(id).or_default();
    times.push(Instant::now());
    times.len() > budget.limit
}

impl<T: Living, K: Keeper> Nursery<T, K> {
    async fn rebuild(&self, id: Uuid, myself: &ActorRef<Order>) {
        match self.keeper.rebuild(id).await {
            Err(error) if error.status == Status::Unavailable => {
                tracing::warn!(%id, %error, retry_in = ?PAUSE, "live thing not yet rebuilt");
                myself.send_after(PAUSE, move || Order::Rebuild(id));
            }
            Err(error) => self.give_up(id, &error).await,
            Ok(()) => self.live.mend(id),
        }
    }

    /// It stays broken for others until its end is stored.
    async fn give_up(&self, id: Uuid, error: &Error) {
        tracing::error!(%id, %error, "live thing given up");
        self.keeper.abandon(id).await;
        self.live.mend(id);
    }
}
