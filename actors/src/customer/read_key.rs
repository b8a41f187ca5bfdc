//! Whose access key a token is. Whatever is wrong with it, the answer is the same.

use std::sync::Arc;

use protocol::identity::{KeyStanding, ReadKey};
use protocol::ports::Filter;
use protocol::time::{self, Time};
use protocol::{Context, Error, Result, Scope, Status, read};
use serde::Deserialize;
use uuid::Uuid;

use super::Customers;
use super::standing::Standing;

#[derive(Deserialize)]
struct Key {
    id: Uuid,
    customer_id: Uuid,
    tm_expire: Option<String>,
}

impl Key {
    fn is_expired(&self, now: Time) -> bool {
        self.tm_expire.as_deref().and_then(time::parse).is_none_or(|end| end <= now)
    }
}

pub(super) async fn read_key(customers: Arc<Customers>, _: Context, command: ReadKey) -> Result<KeyStanding> {
    // what is compared is a digest: the time it takes tells nothing about any token
    let found = customers.keys().find(Scope::Platform, Filter::by("token_hash", command.token_hash)).await?;
    let key: Key = read(&found.ok_or_else(refused)?)?;
    if key.is_expired(customers.deps.clock.now()) {
        return Err(refused());
    }
    let owner = customers.deps.store.get(&super::CUSTOMER, Scope::Customer(key.customer_id), key.customer_id);
    let owner: Standing = read(&owner.await?.ok_or_else(refused)?)?;
    match owner.status.as_str() {
        "initial" | "active" | "frozen" => Ok(KeyStanding { id: key.id, customer_id: key.customer_id }),
        _ => Err(refused()),
    }
}

fn refused() -> Error {
    Error::new(Status::Unauthenticated, "INVALID_CREDENTIALS", "The access key is not valid.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_at_its_time() {
        let now = time::parse("2026-01-02T00:00:00Z").expect("a time");
        let key = |end: Option<&str>| Key {
            id: Uuid::nil(),
            customer_id: Uuid::nil(),
            tm_expire: end.map(str::to_owned),
        };
        assert!(!key(Some("2026-01-02T00:00:01Z")).is_expired(now));
        assert!(key(Some("2026-01-02T00:00:00Z")).is_expired(now));
        assert!(key(None).is_expired(now));
    }
}
