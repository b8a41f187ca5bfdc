//! Saving flows: what is stored was checked, has its ids, and runs as it stands.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Error, Result, Row, Status};
use serde_json::{Value, json};
use uuid::Uuid;

use super::flows::Flows;
use super::{FLOW, check};
use crate::direct::api::{DIRECT, NameResource, Unname};

/// VoIPBIN's limit of stored flows per customer.
const FLOWS: u64 = 10_000;

pub(super) async fn create(flows: Arc<Flows>, by: Context, mut row: Row) -> Result<Value> {
    by.customer()?;
    let id = Uuid::now_v7();
    row.entry("actions").or_insert_with(|| json!([]));
    checked(&mut row, id)?;
    if flows.deps.store.count(&FLOW, by.scope, &Filter::default()).await? >= FLOWS {
        let message = format!("A customer has at most {FLOWS} flows.");
        return Err(Error::new(Status::ResourceExhausted, "RESOURCE_LIMIT_EXCEEDED", message));
    }
    let name = NameResource { resource_type: FLOW.name.into(), resource_id: id, regenerate: false };
    let hash = flows.deps.ask_all(&DIRECT, name, &by).await?.hash;
    row.extend([("id".to_owned(), json!(id)), ("direct_hash".to_owned(), json!(hash))]);
    let saved = flows.flow_rows().insert(row, &by).await;
    if saved.is_err() {
        // nobody learns of it: a name of nothing only takes up room
        let _ = flows.deps.ask_all(&DIRECT, Unname { resource_id: id }, &by).await;
    }
    saved.map(Value::Object)
}

/// Activeflows that run go on with what they copied.
pub(super) async fn update(flows: Arc<Flows>, by: Context, id: Uuid, mut patch: Row) -> Result<Row> {
    checked(&mut patch, id)?;
    flows.flow_rows().change(id, patch, "updated", &by).await
}

/// Puts the checked actions in the place of the given ones.
fn checked(row: &mut Row, flow: Uuid) -> Result<()> {
    if let Some(actions) = row.get_mut("actions") {
        *actions = json!(check::actions(actions, flow, &|_| false)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_has_ids_and_is_the_same_when_saved_again() {
        let mut row = Row::from_iter([("actions".to_owned(), json!([{"id": "a", "type": "answer"}]))]);
        checked(&mut row, Uuid::max()).expect("valid");
        let id = Uuid::new_v5(&Uuid::max(), b"a");
        let stored = row.get("actions").cloned();
        assert_eq!(stored, Some(json!([{"id": id, "next_id": Uuid::nil(), "type": "answer"}])));
        checked(&mut row, Uuid::max()).expect("still valid");
        assert_eq!(row.get("actions").cloned(), stored);
    }

    #[test]
    fn an_update_without_actions_leaves_them() {
        let mut row = Row::from_iter([("name".to_owned(), json!("x"))]);
        checked(&mut row, Uuid::max()).expect("valid");
        assert!(!row.contains_key("actions"));
    }
}
