//! Where customers get events. It is asked for every fact, and most facts come in company: those of one call within a
//! few milliseconds. So where several nodes share a store, what was read is gone by for a moment, and a change of it is
//! answered when that moment is over (`customer/update.rs`): whoever knows of the change finds it everywhere. A node that
//! has its store to itself need not: the store has the row at hand.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::ports::Deps;
use protocol::{Context, Result, Row, Scope, Status, read};
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::customer::api::{CUSTOMER, SETTLED};

/// Customers that are remembered at most. Beyond that all are forgotten, and the busy ones come back.
const MOST: usize = 4096;

#[derive(Deserialize)]
pub(super) struct Target {
    status: String,
    pub(super) webhook_uri: String,
    pub(super) webhook_method: String,
}

/// `None`: the customer is gone or wants none.
type Wanted = Option<Arc<Target>>;

#[derive(Default)]
pub(super) struct Targets(Mutex<HashMap<Uuid, (Instant, Wanted)>>);

impl Targets {
    pub(super) async fn of(&self, deps: &Deps, customer: Uuid) -> Result<Wanted> {
        if !deps.store.is_shared() {
            return at_hand(deps, customer).await;
        }
        // from before the question: what is read may be old by the time it comes
        let since = Instant::now();
        if let Some(known) = self.known(customer, since) {
            return Ok(known);
        }
        let wanted = asked(deps, customer).await?;
        self.keep(customer, since, wanted.clone());
        Ok(wanted)
    }

    fn known(&self, customer: Uuid, now: Instant) -> Option<Wanted> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, wanted) = all.get(&customer)?;
        (now.duration_since(*since) < SETTLED).then(|| wanted.clone())
    }

    fn keep(&self, customer: Uuid, since: Instant, wanted: Wanted) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(customer, (since, wanted));
    }
}

/// The row is on this node: it is only looked at.
async fn at_hand(deps: &Deps, customer: Uuid) -> Result<Wanted> {
    let by = Context::own(Scope::Customer(customer));
    wanted(deps.peers.look(&CUSTOMER, customer, &by).await)
}

/// No more of the customer is read than is needed.
async fn asked(deps: &Deps, customer: Uuid) -> Result<Wanted> {
    const COLUMNS: &[&str] = &["status", "webhook_uri", "webhook_method"];
    let by = Context::own(Scope::Customer(customer));
    wanted(deps.peers.part(&CUSTOMER, customer, COLUMNS, &by).await)
}

fn wanted(row: Result<impl Borrow<Row>>) -> Result<Wanted> {
    match row {
        Ok(row) => {
            let target: Target = read(row.borrow())?;
            let is_wanted = target.status != "deleted" && !target.webhook_uri.is_empty();
            Ok(is_wanted.then(|| Arc::new(target)))
        }
        Err(error) if error.status == Status::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_read_is_gone_by_until_a_change_of_it_may_have_been_answered() {
        let (targets, customer, since) = (Targets::default(), Uuid::max(), Instant::now());
        assert!(targets.known(customer, since).is_none());
        targets.keep(customer, since, None);
        let just = SETTLED - Duration::from_millis(1);
        assert!(targets.known(customer, since + just).is_some());
        assert!(targets.known(customer, since + SETTLED).is_none());
        assert!(targets.known(Uuid::nil(), since).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_customers_are_remembered_than_there_is_room_for() {
        let (targets, since) = (Targets::default(), Instant::now());
        for n in 0..=MOST as u128 {
            targets.keep(Uuid::from_u128(n), since, None);
        }
        assert!(targets.known(Uuid::nil(), since).is_none());
        assert!(targets.known(Uuid::from_u128(MOST as u128), since).is_some());
    }
}
