//! An account lives as its customer does.

use std::sync::Arc;

use protocol::ports::{Pending, Unit};
use protocol::{Context, Event, Result, Row, Scope, Status, read};
use serde::Deserialize;
use serde_json::json;

use super::api::account_of;
use super::entry::fields;
use super::{ACCOUNT, Billing, account, again};

#[derive(Deserialize)]
struct Account {
    status: String,
}

pub(super) async fn created(state: Arc<Billing>, event: Arc<Event>) -> Result<()> {
    account::find_or_open(&state, event.row_id()?).await.map(drop)
}

pub(super) async fn frozen(state: Arc<Billing>, event: Arc<Event>) -> Result<()> {
    set(&state, &event, ("active", "frozen")).await
}

pub(super) async fn recovered(state: Arc<Billing>, event: Arc<Event>) -> Result<()> {
    set(&state, &event, ("frozen", "active")).await
}

/// The ledger stays: it is the record of what was paid.
pub(super) async fn deleted(state: Arc<Billing>, event: Arc<Event>) -> Result<()> {
    let customer = event.row_id()?;
    let (id, by) = (account_of(customer), Context::own(Scope::Customer(customer)));
    again(|| async {
        let Some(row) = state.deps.store.look(&ACCOUNT, by.scope, id).await? else { return Ok(()) };
        let mut patch = state.accounts().tombstone();
        patch.insert("status".to_owned(), json!("deleted"));
        let mut unit = Unit { timers: vec![Pending::Cancel(id)], ..Unit::default() };
        state.accounts().amend(&mut unit, (&row, patch), "deleted", &by)?;
        state.deps.store.commit(unit).await
    })
    .await
}

/// Nothing happens to an account that is gone, or not in the first of the two states.
async fn set(state: &Billing, event: &Event, (from, to): (&str, &str)) -> Result<()> {
    let customer = event.row_id()?;
    let by = Context::own(Scope::Customer(customer));
    let Some(row) = account::find_or_open(state, customer).await? else { return Ok(()) };
    if read::<Account>(&row)?.status != from {
        return Ok(());
    }
    let change = |row: &Row| match read::<Account>(row)?.status == from {
        true => Ok(fields([("status", json!(to))])),
        false => Ok(Row::new()),
    };
    match state.accounts().alter(account_of(customer), "updated", &by, change).await {
        Err(error) if error.status != Status::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
