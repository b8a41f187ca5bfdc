//! Giving a number back.

use std::sync::Arc;

use protocol::{Context, Result, Row};
use serde_json::json;
use uuid::Uuid;

use super::Numbers;

pub(super) async fn delete(numbers: Arc<Numbers>, by: Context, id: Uuid) -> Result<Row> {
    let rows = numbers.rows();
    let mut patch = rows.tombstone();
    patch.insert("status".into(), json!("deleted"));
    rows.change(id, patch, "deleted", &by).await
}
