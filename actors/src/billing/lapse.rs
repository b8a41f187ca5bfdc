//! A reservation whose call never came to be: the process ended between the two. It is given back.

use std::sync::Arc;

use chrono::TimeDelta;
use protocol::ports::{Pending, Timer, Unit};
use protocol::time::Time;
use protocol::{Command, Context, Result, Scope, Verb, read};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::balance::{Balance, Hold};
use super::entry::{self, Entry, fields};
use super::{ACCOUNT, BILLING, Billing, again};

/// Longer than any call rings, whatever carriers it is tried through.
const PATIENCE: TimeDelta = TimeDelta::minutes(20);

/// Sent by the reservation's timer.
#[derive(Serialize, Deserialize)]
pub(super) struct Lapse {}

impl Command for Lapse {
    const VERB: Verb = Verb::internal("lapse");
    type Reply = ();
}

/// Set with the reservation.
pub(super) fn timer(entry: Uuid, now: Time) -> Pending {
    Pending::Set(Timer {
        id: timer_id(entry),
        at: now + PATIENCE,
        resource: BILLING.name.into(),
        verb: Lapse::VERB.name.into(),
        target: entry,
        body: json!({}),
    })
}

/// Cancelled with the end of the call.
pub(super) fn no_timer(entry: Uuid) -> Pending {
    Pending::Cancel(timer_id(entry))
}

fn timer_id(entry: Uuid) -> Uuid {
    Uuid::new_v5(&entry, b"lapse")
}

pub(super) async fn lapse(state: Arc<Billing>, by: Context, id: Uuid, _: Lapse) -> Result<()> {
    let entry: Entry = read(&*state.entries().look(by.scope, id).await?)?;
    let _turn = state.turn(entry.account_id).await;
    again(|| give_back(&state, &by, id)).await
}

/// A call that was answered is left alone: its own end charges it.
async fn give_back(state: &Billing, by: &Context, id: Uuid) -> Result<()> {
    let row = state.entries().look(by.scope, id).await?;
    let entry: Entry = read(&row)?;
    if !entry.is_open() || entry.tm_billing_start.is_some() {
        return Ok(());
    }
    let owner = Context { scope: Scope::Customer(entry.customer_id), ..by.clone() };
    let mut unit = Unit::default();
    let mut patch = fields([("status", json!("end"))]);
    patch.extend(Hold::default().patch());
    if let Some(account) = state.deps.store.look(&ACCOUNT, owner.scope, entry.account_id).await? {
        let mut balance = Balance::of(&account)?;
        balance.settle(entry.hold, entry.price(), 0);
        patch.extend(entry::snapshot(&balance));
        state.accounts().amend(&mut unit, (&account, balance.patch()), "updated", by)?;
    }
    state.entries().amend(&mut unit, (&row, patch), "updated", &owner)?;
    unit.timers.push(no_timer(id));
    state.deps.store.commit(unit).await
}
