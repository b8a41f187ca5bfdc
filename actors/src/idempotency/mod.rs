//! Keys under which clients send a request again: who holds one, and what the first request was answered.
//!
//! A claim whose holder died is *not* carried out again, nor is its answer guessed: whether the request was
//! done is unknown, and that is what repetitions are told until the key ends. Deriving the ids of new rows from
//! the key would answer that for a plain creation, but not for a call, a charge or a verb, which is where a
//! silent repetition costs money; one rule for all is the safe one. A claim is no fact: nothing is published.

mod claim;
mod held;
mod release;
mod settle;

use std::sync::Arc;

use protocol::ports::{Deps, Filter};
use protocol::{Access, Event, Field, Ops, Resource, Result, Row, idempotency};
use serde_json::json;

use crate::aging::Records;
use crate::kernel::{Domain, Rows};

const NAME: &str = "idempotency-manager";

/// A key from its claim on. Deleted ones are emptied, and their name is free.
pub(crate) static IDEMPOTENCY_KEY: Resource = Resource::new(
    idempotency::RESOURCE,
    "idempotency_keys",
    &[
        // a digest: what a client calls its requests is its own business
        Field::text("name").internal().unique(),
        Field::text("fingerprint").internal(),
        Field::choice("status", &["claimed", "answered", "too_large", "unknown"]).internal(),
        Field::int("code").internal(),
        Field::text("content_type").internal(),
        // sealed: the answer to a creation may show a secret
        Field::text("body").internal(),
    ],
)
.ops(Ops::NONE)
.access(Access::INTERNAL);

struct Keys {
    deps: Deps,
}

impl Keys {
    fn rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &IDEMPOTENCY_KEY, deps: &self.deps }
    }
}

pub(crate) fn domain(deps: &Deps) -> Domain {
    let keys = Arc::new(Keys { deps: deps.clone() });
    Domain::new(NAME, deps)
        .child(records().child(deps))
        .resource(&IDEMPOTENCY_KEY)
        .ask(&keys, claim::claim)
        .on(&keys, settle::settle)
        .on(&keys, release::release)
        .follow(&keys, "customer_deleted", "customer_deleted", customer_deleted)
}

/// What is left of a key is its id and its times.
fn records() -> Records {
    let empty = ["name", "fingerprint", "content_type", "body"].map(|name| (name.to_owned(), json!("")));
    Records {
        resource: &IDEMPOTENCY_KEY,
        filter: Filter::default(),
        empty: Row::from_iter(empty),
        timed: false,
        kept: Some(idempotency::KEPT),
    }
}

async fn customer_deleted(keys: Arc<Keys>, event: Arc<Event>) -> Result<()> {
    records().delete_all(&keys.deps, event.row_id()?).await
}
