//! The tokens of a month. They replace what is left of the month before.

use std::sync::Arc;

use protocol::ports::{Pending, Unit};
use protocol::{Command, Context, Result, Scope, Verb, read, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::account::{allowance, month_of, next_month, next_top_up};
use super::balance::Balance;
use super::entry::fields;
use super::{Billing, again, plan};

/// Sent by the account's timer.
#[derive(Serialize, Deserialize)]
pub(super) struct TopUp {}

impl Command for TopUp {
    const VERB: Verb = Verb::internal("top_up");
    type Reply = ();
}

#[derive(Deserialize)]
struct Account {
    customer_id: Uuid,
    plan_type: String,
    tm_next_topup: Option<String>,
}

pub(super) async fn top_up(state: Arc<Billing>, by: Context, id: Uuid, _: TopUp) -> Result<()> {
    let _turn = state.turn(id).await;
    again(|| once(&state, &by, id)).await
}

async fn once(state: &Billing, by: &Context, id: Uuid) -> Result<()> {
    let row = state.accounts().get(by.scope, id).await?;
    let (account, now): (Account, _) = (read(&row)?, state.deps.clock.now());
    let due = account.tm_next_topup.as_deref().and_then(time::parse).unwrap_or(now);
    if due > now {
        return Ok(());
    }
    let mut balance = Balance::of(&row)?;
    let tokens = balance.top_up(plan::tokens(&account.plan_type));
    let mut patch = balance.patch();
    patch.extend(fields([
        ("tm_last_topup", json!(time::stamp(now))),
        ("tm_next_topup", json!(time::stamp(next_month(now)))),
    ]));
    let mut unit = Unit::default();
    state.accounts().amend(&mut unit, (&row, patch), "updated", by)?;
    let owner = Context { scope: Scope::Customer(account.customer_id), ..by.clone() };
    // named by the month that it was due in: what is late is neither lost nor granted twice
    state.entries().draft(&mut unit, allowance(id, &month_of(due), tokens, &balance), &owner)?;
    unit.timers.push(Pending::Set(next_top_up(id, now)));
    state.deps.store.commit(unit).await
}
