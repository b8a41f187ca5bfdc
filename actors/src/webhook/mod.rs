//! Events on their way to customers: stored, signed, tried again for a day, and kept when they failed.
//!
//! Followers only store. A delivery is handed to the desk, which gives each customer a few places at a time;
//! its stored timer brings it back whenever an attempt got lost: a full desk, a crash, another node.

pub(crate) mod api;

mod attempt;
mod customer_deleted;
mod desk;
mod enqueue;
mod retry;
mod schedule;
mod sender;
mod sign;
mod targets;

use std::sync::Arc;

use chrono::TimeDelta;
use protocol::ports::{Deps, Filter, Pending, Timer};
use protocol::{Access, Field, Ops, Resource, Row, time};
use serde_json::json;
use uuid::Uuid;

use crate::aging::Records;
use crate::kernel::{Child, Domain, Rows};
use desk::Desk;
use targets::Targets;

const NAME: &str = "webhook-manager";

/// One event on its way to one address. No fact: nothing is published about it.
pub(crate) static DELIVERY: Resource = Resource::new(
    "delivery",
    "deliveries",
    &[
        Field::id("event_id").filter(),
        Field::text("event_type").filter(),
        Field::text("url"),
        Field::text("method"),
        Field::choice("status", &["pending", "delivered", "failed"]).filter(),
        Field::int("attempts"),
        Field::int("last_status"),
        Field::text("last_error"),
        Field::time("tm_next"),
        Field::text("content_type").internal(),
        Field::bool("signed").internal(),
        Field::text("body").internal(),
    ],
)
.ops(Ops::READ)
.access(Access::STAFF);

pub(crate) fn domain(deps: &Deps) -> Domain {
    let (desk, targets) = (Arc::default(), Targets::default());
    let state = Arc::new(Webhooks { deps: deps.clone(), desk, targets });
    let sending = state.clone();
    let sender = Child::task("sender", move |token| sender::run(sending.clone(), token));
    Domain::new(NAME, deps)
        .asks(&["customer-manager"])
        .child(finished().child(deps))
        .child(sender)
        .resource(&DELIVERY)
        .ask(&state, enqueue::send)
        .on(&state, attempt::attempt)
        .on(&state, retry::retry)
        .follow_if(&state, ("*", enqueue::is_for_a_customer), "deliver", enqueue::deliver)
        .directly()
        .follow(&state, "customer_deleted", "forget", customer_deleted::forget)
}

struct Webhooks {
    deps: Deps,
    desk: Arc<Desk>,
    targets: Targets,
}

/// How long a stored delivery is the desk's before its timer offers it again.
const LEASE: TimeDelta = TimeDelta::seconds(60);

impl Webhooks {
    fn rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &DELIVERY, deps: &self.deps }
    }

    /// The timer that offers the delivery again when nothing was heard of it.
    fn lease(&self, id: Uuid) -> Pending {
        timer(id, self.deps.clock.now() + LEASE)
    }
}

fn timer(id: Uuid, at: time::Time) -> Pending {
    Pending::Set(Timer {
        id,
        at,
        resource: DELIVERY.name.to_owned(),
        verb: "attempt".to_owned(),
        target: id,
        body: json!({}),
    })
}

/// Deliveries that wait for nothing.
fn finished() -> Records {
    Records {
        filter: Filter::default().any("status", vec![json!("delivered"), json!("failed")]),
        ..everything()
    }
}

fn everything() -> Records {
    let empty = Row::from_iter([("body".to_owned(), json!(""))]);
    Records { resource: &DELIVERY, filter: Filter::default(), empty, timed: true, kept: None }
}
