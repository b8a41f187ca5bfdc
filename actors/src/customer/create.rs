//! A new customer. Its account, its first agent and the rest follow the event.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::{Context, Result, Row, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Customers;
use crate::billing::api::account_of;

pub(super) async fn create(customers: Arc<Customers>, by: Context, mut row: Row) -> Result<Value> {
    let id = Uuid::now_v7();
    row.extend(given(id, &random()));
    let by = Context { scope: Scope::Customer(id), ..by };
    customers.rows().insert(row, &by).await.map(Value::Object)
}

/// What a new customer has and nobody chooses.
pub(super) fn given(id: Uuid, webhook_secret: &str) -> [(String, Value); 5] {
    [
        ("id".to_owned(), json!(id)),
        ("status".to_owned(), json!("active")),
        ("email_verified".to_owned(), json!(true)),
        ("billing_account_id".to_owned(), json!(account_of(id))),
        ("webhook_secret".to_owned(), json!(webhook_secret)),
    ]
}

/// 32 characters of base64url that nobody can guess: 192 bits of the operating system's randomness.
pub(super) fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_secret_has_32_characters_and_is_new_every_time() {
        let (one, other) = (super::random(), super::random());
        assert_eq!((one.len(), other.len()), (32, 32));
        assert_ne!(one, other);
    }
}
