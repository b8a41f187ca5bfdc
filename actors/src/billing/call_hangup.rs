//! The end of a call: what was set aside is given back, what was used is taken. Once, whatever comes twice,
//! and by the call's own times, whatever comes first.

use std::sync::Arc;

use protocol::ports::Unit;
use protocol::{Address, Context, Event, Result, Row, Scope, Status, read};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::api::{ReserveCall, account_of};
use super::balance::Balance;
use super::cost::{Price, minutes};
use super::entry::{self, Entry, fields};
use super::{ACCOUNT, BILLING, Billing, again, lapse, reserve};

#[derive(Deserialize)]
struct Call {
    id: Uuid,
    customer_id: Uuid,
    direction: String,
    source: Address,
    destination: Address,
    tm_progressing: Option<String>,
    tm_hangup: Option<String>,
}

impl Call {
    /// `None`: it was never answered.
    fn seconds(&self) -> Option<i64> {
        entry::duration(self.tm_progressing.as_deref(), self.tm_hangup.as_deref())
    }
}

pub(super) async fn charge(state: Arc<Billing>, event: Arc<Event>) -> Result<()> {
    // a call of the installation's own is nobody's to pay
    if event.customer_id().is_none() {
        return Ok(());
    }
    let call: Call = event.read()?;
    let by = Context::own(Scope::Customer(call.customer_id));
    let _turn = state.turn(account_of(call.customer_id)).await;
    again(|| settle(&state, &by, &call)).await
}

async fn settle(state: &Billing, by: &Context, call: &Call) -> Result<()> {
    let Some(row) = open_entry(state, by, call).await? else { return Ok(()) };
    let entry: Entry = read(&row)?;
    let is_owed = entry.is_open() || (entry.has_lapsed() && call.seconds().is_some());
    if !is_owed {
        return Ok(());
    }
    let mut unit = Unit::default();
    let patch = match state.deps.store.look(&ACCOUNT, by.scope, entry.account_id).await? {
        Some(account) => take(state, &mut unit, &account, (&entry, call))?,
        // the account was closed meanwhile: nobody is left to pay
        None => ended(call, 0),
    };
    state.entries().amend(&mut unit, (&row, patch), "updated", by)?;
    if entry.price() != Price::FREE {
        unit.timers.push(lapse::no_timer(entry::of_call(call.id)));
    }
    state.deps.store.commit(unit).await
}

/// The call's entry. An answered call that has none gets one; another one leaves nothing behind.
async fn open_entry(state: &Billing, by: &Context, call: &Call) -> Result<Option<Arc<Row>>> {
    let id = entry::of_call(call.id);
    let found = state.deps.store.look(&BILLING, by.scope, id).await?;
    if found.is_some() || call.seconds().is_none() {
        return Ok(found);
    }
    let command = ReserveCall {
        call_id: call.id,
        direction: call.direction.clone(),
        source: call.source.clone(),
        destination: call.destination.clone(),
    };
    match reserve::late(state, by, &command).await {
        Err(error) if error.status != Status::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    state.deps.store.look(&BILLING, by.scope, id).await
}

/// The account's half of the unit, and the entry's patch.
fn take(state: &Billing, unit: &mut Unit, account: &Row, (entry, call): (&Entry, &Call)) -> Result<Row> {
    let mut balance = Balance::of(account)?;
    let (before, price) = (balance, entry.price());
    let units = match price {
        Price::FREE => 0,
        // an answered call is a call, however short: a carrier charges it, too
        Price { .. } => call.seconds().map_or(0, |seconds| minutes(seconds.max(1))),
    };
    let charge = balance.settle(entry.hold, price, units);
    if balance != before {
        let by = Context::own(Scope::Platform);
        state.accounts().amend(unit, (account, balance.patch()), "updated", &by)?;
    }
    let mut patch = ended(call, units);
    patch.extend(fields([("amount_token", json!(-charge.token)), ("amount_credit", json!(-charge.credit))]));
    patch.extend(entry::snapshot(&balance));
    Ok(patch)
}

/// What every ended entry says. Nothing is set aside for it any more.
fn ended(call: &Call, units: i64) -> Row {
    let mut patch = fields([
        ("status", json!("end")),
        ("usage_duration", json!(call.seconds().unwrap_or(0))),
        ("billable_units", json!(units)),
        ("tm_billing_start", json!(call.tm_progressing)),
        ("tm_billing_end", json!(call.tm_hangup)),
    ]);
    patch.extend(super::balance::Hold::default().patch());
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(answered: Option<&str>) -> Call {
        let row = json!({
            "id": Uuid::nil(), "customer_id": Uuid::nil(), "direction": "outgoing",
            "source": {"type": "extension", "target": "a"}, "destination": {"type": "tel", "target": "+1"},
            "status": "hangup", "hangup_reason": "normal",
            "tm_progressing": answered, "tm_hangup": "2026-01-01T00:02:01.000000Z",
        });
        serde_json::from_value(row).expect("a call")
    }

    #[test]
    fn an_ended_entry_tells_how_long_the_call_was() {
        let patch = ended(&call(Some("2026-01-01T00:00:00.000000Z")), 3);
        assert_eq!((&patch["status"], &patch["usage_duration"]), (&json!("end"), &json!(121)));
        assert_eq!((&patch["billable_units"], &patch["reserved_credit"]), (&json!(3), &json!(0)));
        let patch = ended(&call(None), 0);
        assert_eq!((&patch["usage_duration"], &patch["tm_billing_start"]), (&json!(0), &json!(null)));
    }
}
