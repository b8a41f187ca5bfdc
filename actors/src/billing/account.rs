//! Opening an account, and finding it open already.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate, NaiveTime};
use protocol::ports::{Pending, Timer, Unit};
use protocol::time::{Time, stamp};
use protocol::{Context, Result, Row, Scope, Status};
use serde_json::json;
use uuid::Uuid;

use super::api::account_of;
use super::balance::Balance;
use super::entry::{self, fields};
use super::{ACCOUNT, Billing, plan};

/// The plan of a new account.
const FIRST_PLAN: &str = "free";

/// The account of a customer, opened when there is none yet. `None` when the customer is gone.
pub(super) async fn find_or_open(state: &Billing, customer: Uuid) -> Result<Option<Arc<Row>>> {
    let (scope, id) = (Scope::Customer(customer), account_of(customer));
    if let Some(row) = state.deps.store.look(&ACCOUNT, scope, id).await? {
        return Ok(Some(row));
    }
    match open(state, customer).await {
        // somebody else opened it now, or it was there and is closed
        Err(error) if error.status == Status::AlreadyExists => {
            state.deps.store.look(&ACCOUNT, scope, id).await
        }
        opened => opened.map(|row| Some(Arc::new(row))),
    }
}

/// The account, the ledger entry of its first allowance and the timer of the next one.
async fn open(state: &Billing, customer: Uuid) -> Result<Row> {
    let by = Context::own(Scope::Customer(customer));
    let (id, now) = (account_of(customer), state.deps.clock.now());
    let mut balance = Balance::default();
    let tokens = balance.top_up(plan::tokens(FIRST_PLAN));
    let mut account = fields([
        ("id", json!(id)),
        ("name", json!("basic billing account")),
        ("plan_type", json!(FIRST_PLAN)),
        ("payment_type", json!("prepaid")),
        ("tm_last_topup", json!(stamp(now))),
        ("tm_next_topup", json!(stamp(next_month(now)))),
    ]);
    account.extend(balance.patch());
    let mut unit = Unit::default();
    let account = state.accounts().draft(&mut unit, account, &by)?;
    state.entries().draft(&mut unit, allowance(id, &month_of(now), tokens, &balance), &by)?;
    unit.timers.push(Pending::Set(next_top_up(id, now)));
    state.deps.store.commit(unit).await?;
    Ok(account)
}

/// The ledger's entry of a month's tokens. Its id follows from the month: a month is granted once.
pub(super) fn allowance(account: Uuid, month: &str, tokens: i64, balance: &Balance) -> Row {
    let id = Uuid::new_v5(&account, format!("topup:{month}").as_bytes());
    let mut row = fields([
        ("id", json!(id)),
        ("account_id", json!(account)),
        ("transaction_type", json!("top_up")),
        ("status", json!("end")),
        ("reference_type", json!("monthly_allowance")),
        ("reference_id", json!(id)),
        ("idempotency_key", json!(id)),
        ("amount_token", json!(tokens)),
    ]);
    row.extend(entry::snapshot(balance));
    row
}

pub(super) fn next_top_up(account: Uuid, now: Time) -> Timer {
    Timer {
        id: account,
        at: next_month(now),
        resource: ACCOUNT.name.to_owned(),
        verb: "top_up".to_owned(),
        target: account,
        body: json!({}),
    }
}

/// `2026-01`
pub(super) fn month_of(time: Time) -> String {
    format!("{:04}-{:02}", time.year(), time.month())
}

/// The first of the next month, 00:00 UTC.
pub(super) fn next_month(now: Time) -> Time {
    let (year, month) = match now.month() {
        12 => (now.year() + 1, 1),
        month => (now.year(), month + 1),
    };
    let first = NaiveDate::from_ymd_opt(year, month, 1).unwrap_or(NaiveDate::MAX);
    first.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use protocol::time::parse;

    use super::*;

    #[test]
    fn months_follow_each_other() {
        for (now, month, next) in [
            ("2026-01-31T23:59:59.999999Z", "2026-01", "2026-02-01T00:00:00.000000Z"),
            ("2026-02-01T00:00:00Z", "2026-02", "2026-03-01T00:00:00.000000Z"),
            ("2026-12-05T10:00:00Z", "2026-12", "2027-01-01T00:00:00.000000Z"),
        ] {
            let now = parse(now).expect("a time");
            assert_eq!((month_of(now).as_str(), stamp(next_month(now)).as_str()), (month, next));
        }
    }

    #[test]
    fn a_month_has_one_entry() {
        let account = account_of(Uuid::max());
        let id = |month| allowance(account, month, 1, &Balance::default()).remove("id");
        assert_eq!(id("2026-01"), id("2026-01"));
        assert_ne!(id("2026-01"), id("2026-02"));
    }
}
