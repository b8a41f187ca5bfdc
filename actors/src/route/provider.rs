//! Changing a carrier. One that moved to another host has no history there.

use std::sync::Arc;

use protocol::{Context, Result, Row, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Routes;

pub(super) async fn update(routes: Arc<Routes>, by: Context, id: Uuid, patch: Row) -> Result<Row> {
    let by = Context { scope: Scope::Platform, ..by };
    let moved = |row: &Row| patch.get("hostname").is_some_and(|host| row.get("hostname") != Some(host));
    let decide = |row: &Row| {
        let mut patch = patch.clone();
        if moved(row) {
            routes.breaker.forget(id);
            patch.insert("health_status".into(), json!("unknown"));
            patch.insert("health_checked_at".into(), Value::Null);
        }
        Ok(patch)
    };
    routes.providers().alter(id, "updated", &by, decide).await
}
