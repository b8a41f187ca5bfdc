//! What an agent may do within its customer. Operators of the installation are not made here.

use std::sync::Arc;

use protocol::identity::permission::{ADMIN, PLATFORM};
use protocol::{Command, Context, Error, Result, Row, Verb, read};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Agents;
use super::delete::keep_an_admin;

/// VoIPBIN's customer bits: agent, admin, manager and one that nothing uses.
const CUSTOMER: u16 = 0x00F0;

pub(super) fn check(value: &Value) -> Result<()> {
    match value.as_u64().and_then(|bits| u16::try_from(bits).ok()) {
        Some(bits) if bits & !CUSTOMER == 0 => Ok(()),
        Some(_) | None => Err(Error::invalid("must consist of 16 (agent), 32 (admin) and 64 (manager)")),
    }
}

pub(super) const fn is_admin(bits: u16) -> bool {
    bits & (ADMIN | PLATFORM) != 0
}

#[derive(Deserialize)]
pub(super) struct Bits {
    pub(super) id: Uuid,
    pub(super) permission: u16,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SetPermission {
    permission: Value,
}

impl Command for SetPermission {
    const VERB: Verb = Verb::put("permission");
    type Reply = Row;
}

/// An operator stays one: only the bits within the customer are replaced.
pub(super) async fn set_permission(
    agents: Arc<Agents>,
    by: Context,
    id: Uuid,
    command: SetPermission,
) -> Result<Row> {
    check(&command.permission).map_err(|e| Error::invalid(format!("permission {}", e.message)))?;
    let wanted = command.permission.as_u64().and_then(|bits| u16::try_from(bits).ok()).unwrap_or_default();
    let _leaving = agents.leaving.lock().await;
    let row = agents.rows().get(by.scope, id).await?;
    let bits = (read::<Bits>(&row)?.permission & !CUSTOMER) | wanted;
    if !is_admin(bits) {
        keep_an_admin(&agents, &row).await?;
    }
    let decide = |row: &Row| {
        let kept = read::<Bits>(row)?.permission & !CUSTOMER;
        Ok(Row::from_iter([("permission".to_owned(), json!(kept | wanted))]))
    };
    agents.rows().alter(id, "updated", &by, decide).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bits_within_the_customer_are_given() {
        for (bits, expected) in
            [(0, true), (16, true), (32, true), (64, true), (96, true), (240, true), (1, false), (33, false)]
        {
            assert_eq!(check(&json!(bits)).is_ok(), expected, "{bits}");
        }
        for value in [json!(65535), json!(-16), json!(65536), json!("32")] {
            assert!(check(&value).is_err(), "{value}");
        }
    }
}
