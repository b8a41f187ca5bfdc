//! Prepaid accounts and their ledger. Money is micro US dollars, an integer; a token is one, too.
//!
//! What is used is set aside first, minute by minute, and charged when it ends: a balance never goes below
//! zero and the amounts of a customer's ledger always add up to the balance.

pub(crate) mod api;

mod account;
mod adjust;
mod balance;
mod call_hangup;
mod cost;
mod customer;
mod entry;
mod lapse;
mod limit;
mod payment_info;
mod plan;
mod rate;
mod reserve;
mod top_up;

use std::sync::Arc;

use protocol::catalog::Locate;
use protocol::ports::Deps;
use protocol::{Access, Error, Field, Mount, Ops, Resource, Result, Rule, Status};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::kernel::{Domain, Rows};

pub(crate) use rate::RATE;

const NAME: &str = "billing-manager";

/// One per customer, under an id that follows from the customer's: it cannot come into being twice.
pub(crate) static ACCOUNT: Resource = Resource::new(
    "billing_account",
    "billing_accounts",
    &[
        Field::text("name").update(),
        Field::text("detail").update(),
        Field::choice("status", &["active", "frozen", "deleted"]).filter().initially("active"),
        Field::choice("plan_type", &["free", "basic", "professional", "unlimited"])
            .filter()
            .initially("free"),
        Field::choice("plan_status", &["active", "canceling"]).initially("active"),
        Field::int("balance_credit"),
        Field::int("balance_token"),
        Field::int("reserved_credit").internal(),
        Field::int("reserved_token").internal(),
        Field::choice("payment_type", payment_info::TYPES),
        Field::choice("payment_method", payment_info::METHODS),
        Field::text("paddle_subscription_id"),
        Field::text("paddle_customer_id"),
        Field::time("tm_last_topup"),
        Field::time("tm_next_topup"),
    ],
)
.ops(Ops::READ.and(Ops::UPDATE))
.access(Access::PLATFORM)
.shared();

/// The ledger. An entry that is `progressing` has set something aside; one that ended never changes again.
pub(crate) static BILLING: Resource = Resource::new(
    "billing",
    "billings",
    &[
        Field::id("account_id").filter(),
        Field::choice("transaction_type", &["usage", "top_up", "adjustment", "refund"]).filter(),
        Field::choice("status", &["progressing", "end", "pending", "finished"]).filter(),
        Field::choice("reference_type", entry::REFERENCES).filter(),
        Field::id("reference_id").filter(),
        Field::choice("cost_type", cost::NAMES).filter(),
        Field::int("usage_duration"),
        Field::int("billable_units"),
        Field::int("rate_token_per_unit"),
        Field::int("rate_credit_per_unit"),
        Field::int("amount_token"),
        Field::int("amount_credit"),
        Field::int("balance_token_snapshot"),
        Field::int("balance_credit_snapshot"),
        Field::int("reserved_units").internal(),
        Field::int("reserved_token").internal(),
        Field::int("reserved_credit").internal(),
        Field::id("idempotency_key"),
        Field::time("tm_billing_start"),
        Field::time("tm_billing_end"),
    ],
)
.ops(Ops::READ)
.access(Access::ADMIN);

pub(crate) fn domain(deps: &Deps) -> Domain {
    let state = Arc::new(Billing::new(deps));
    let own = Access::INTERNAL.get(Rule::Admin).update(Rule::Admin);
    Domain::new(NAME, deps)
        .resource(&ACCOUNT)
        .mount(
            Mount::new("billing_account", Locate::Only, Ops::GET.and(Ops::UPDATE))
                .access(own)
                .verbs(&["payment_info"]),
        )
        .ask(&state, reserve::reserve_call)
        .ask(&state, reserve::extend_call)
        .ask(&state, limit::check_limit)
        .on(&state, adjust::balance_add_force)
        .on(&state, adjust::balance_subtract_force)
        .on(&state, payment_info::payment_info)
        .on(&state, top_up::top_up)
        .resource(&BILLING)
        .on(&state, lapse::lapse)
        .resource(&RATE)
        .follow(&state, "customer_created", "open", customer::created)
        .follow(&state, "customer_frozen", "freeze", customer::frozen)
        .follow(&state, "customer_recovered", "recover", customer::recovered)
        .follow(&state, "customer_deleted", "close", customer::deleted)
        .follow(&state, "call_hangup", "charge", call_hangup::charge)
}

/// Accounts share these turns: enough that two busy ones seldom meet, few enough to make at start.
const TURNS: usize = 64;
/// Only another node changes an account during a turn; as often as this in a row it does not.
const CONFLICTS: usize = 10;

struct Billing {
    deps: Deps,
    turns: [Mutex<()>; TURNS],
}

impl Billing {
    fn new(deps: &Deps) -> Self {
        Billing { deps: deps.clone(), turns: std::array::from_fn(|_| Mutex::new(())) }
    }

    fn accounts(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &ACCOUNT, deps: &self.deps }
    }

    fn entries(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &BILLING, deps: &self.deps }
    }

    /// One change of an account at a time on this node: many calls of one customer would otherwise mostly
    /// find that another one had changed the row. What is true is decided by the row's revision alone.
    async fn turn(&self, account: Uuid) -> MutexGuard<'_, ()> {
        let at = account.as_u128() % TURNS as u128;
        self.turns[at as usize].lock().await
    }
}

/// Does it again while somebody else changed the same rows meanwhile.
async fn again<T, F>(mut act: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    for _ in 0..CONFLICTS {
        match act().await {
            Err(error) if error.is_conflict() || error.status == Status::AlreadyExists => {}
            outcome => return outcome,
        }
    }
    act().await
}

fn insufficient(message: &str) -> Error {
    Error::new(Status::PaymentRequired, "INSUFFICIENT_BALANCE", message)
}
