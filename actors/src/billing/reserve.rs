//! Setting minutes of a call aside before they are used.

use std::sync::Arc;

use protocol::ports::Unit;
use protocol::{Context, Error, Result, Row, Scope, read};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::api::{ExtendCall, ReserveCall, account_of};
use super::balance::{Balance, Hold};
use super::cost::{self, Cost, Price};
use super::entry::{self, Entry, fields};
use super::{ACCOUNT, BILLING, Billing, account, again, insufficient, lapse, plan, rate};

#[derive(Deserialize)]
struct Account {
    id: Uuid,
    status: String,
    plan_type: String,
}

pub(super) async fn reserve_call(state: Arc<Billing>, by: Context, command: ReserveCall) -> Result<()> {
    let customer = by.customer()?;
    let cost = Cost::of_call(&command.direction, &command.source, &command.destination);
    let price = rate::price(&state.deps, cost, &command.destination).await?;
    let _turn = state.turn(account_of(customer)).await;
    let first_minute = || async {
        match first_minute(&state, &by, (customer, &command), (cost, price)).await {
            // asked again, it was set aside before, whatever the account can pay now
            Err(error) if !error.is_conflict() && is_reserved(&state, customer, command.call_id).await? => {
                Ok(())
            }
            outcome => outcome,
        }
    };
    again(first_minute).await
}

async fn is_reserved(state: &Billing, customer: Uuid, call: Uuid) -> Result<bool> {
    let entry = state.deps.store.look(&BILLING, Scope::Customer(customer), entry::of_call(call)).await?;
    Ok(entry.is_some())
}

pub(super) async fn extend_call(state: Arc<Billing>, by: Context, command: ExtendCall) -> Result<()> {
    let entry: Entry = read(&*state.entries().look(by.scope, entry::of_call(command.call_id)).await?)?;
    if entry.price() == Price::FREE {
        return Ok(());
    }
    let _turn = state.turn(entry.account_id).await;
    again(|| next_minute(&state, &by, &command)).await
}

async fn first_minute(
    state: &Billing,
    by: &Context,
    (customer, command): (Uuid, &ReserveCall),
    (cost, price): (Cost, Price),
) -> Result<()> {
    let id = entry::of_call(command.call_id);
    let row = account::find_or_open(state, customer).await?.ok_or_else(gone)?;
    let account = usable(&row)?;
    let price = if plan::is_free_of_charge(&account.plan_type) { Price::FREE } else { price };
    let mut unit = Unit::default();
    let hold = set_aside(state, &mut unit, &row, (Hold::default(), price))?;
    let mut entry = opened(command, account.id, cost, price);
    entry.extend(hold.patch());
    state.entries().draft(&mut unit, entry, &Context { scope: Scope::Customer(customer), ..by.clone() })?;
    if price != Price::FREE {
        unit.timers.push(lapse::timer(id, state.deps.clock.now()));
    }
    state.deps.store.commit(unit).await
}

async fn next_minute(state: &Billing, by: &Context, command: &ExtendCall) -> Result<()> {
    let row = state.entries().look(by.scope, entry::of_call(command.call_id)).await?;
    let entry: Entry = read(&row)?;
    if !entry.is_open() {
        return Err(Error::state("the call has ended"));
    }
    let by = Context { scope: Scope::Customer(entry.customer_id), ..by.clone() };
    let account = state.deps.store.look(&ACCOUNT, by.scope, entry.account_id).await?.ok_or_else(gone)?;
    usable(&account)?;
    if entry.hold.minutes > i64::from(command.minutes) {
        return Ok(());
    }
    let mut unit = Unit::default();
    let hold = set_aside(state, &mut unit, &account, (entry.hold, entry.price()))?;
    let mut patch = hold.patch();
    if entry.tm_billing_start.is_some() {
        state.entries().set(&mut unit, (&row, patch), &by)?;
    } else {
        // from now on the entry is an answered call's: it does not lapse
        patch.insert("tm_billing_start".to_owned(), json!(command.since));
        state.entries().amend(&mut unit, (&row, patch), "updated", &by)?;
    }
    state.deps.store.commit(unit).await
}

/// One more minute: the account's half of the unit. Nobody is told of it: the balance is what it was.
fn set_aside(state: &Billing, unit: &mut Unit, account: &Row, (hold, price): (Hold, Price)) -> Result<Hold> {
    let mut balance = Balance::of(account)?;
    let before = balance;
    let more = balance.hold(hold, price);
    let more = more.ok_or_else(|| insufficient("the balance does not cover another minute"))?;
    if balance != before {
        let by = Context::own(Scope::Platform);
        state.accounts().set(unit, (account, balance.patch()), &by)?;
    }
    Ok(more)
}

/// The entry of a call that begins.
fn opened(command: &ReserveCall, account: Uuid, cost: Cost, price: Price) -> Row {
    let id = entry::of_call(command.call_id);
    let reference = cost::reference_type(&command.direction, &command.source, &command.destination);
    let mut row = fields([
        ("id", json!(id)),
        ("account_id", json!(account)),
        ("transaction_type", json!("usage")),
        ("status", json!("progressing")),
        ("reference_type", json!(reference)),
        ("reference_id", json!(command.call_id)),
        ("cost_type", json!(cost.name())),
        ("idempotency_key", json!(id)),
    ]);
    row.extend(rate::patch(price));
    row
}

/// The entry of a call that was answered although nothing was set aside for it: it is charged what is there.
pub(super) async fn late(state: &Billing, by: &Context, command: &ReserveCall) -> Result<()> {
    let customer = by.customer()?;
    let Some(row) = account::find_or_open(state, customer).await? else { return Ok(()) };
    let account: Account = read(&row)?;
    let cost = Cost::of_call(&command.direction, &command.source, &command.destination);
    let price = match plan::is_free_of_charge(&account.plan_type) {
        true => Price::FREE,
        false => rate::price(&state.deps, cost, &command.destination).await?,
    };
    let mut unit = Unit::default();
    state.entries().draft(&mut unit, opened(command, account.id, cost, price), by)?;
    state.deps.store.commit(unit).await
}

fn usable(row: &Row) -> Result<Account> {
    let account: Account = read(row)?;
    match account.status.as_str() {
        "active" => Ok(account),
        _ => Err(insufficient("the account is frozen")),
    }
}

fn gone() -> Error {
    insufficient("the account is closed")
}
