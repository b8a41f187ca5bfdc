//! Changing a customer's profile.

use std::sync::Arc;

use protocol::{Context, Result, Row};
use tokio::time::sleep;
use uuid::Uuid;

use super::Customers;
use super::api::SETTLED;

/// Answered when no node goes by what it read before the change.
pub(super) async fn update(customers: Arc<Customers>, by: Context, id: Uuid, patch: Row) -> Result<Row> {
    let row = customers.rows().change(id, patch, "updated", &by).await?;
    if customers.deps.store.is_shared() {
        sleep(SETTLED).await;
    }
    Ok(row)
}
