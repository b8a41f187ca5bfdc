//! Whether a customer's requests are served.

use std::sync::Arc;

use protocol::identity::{CustomerStanding, ReadCustomer};
use protocol::{Context, Result, read};
use serde::Deserialize;
use uuid::Uuid;

use super::Customers;

/// The part of a customer that decides about it.
#[derive(Deserialize)]
pub(super) struct Standing {
    pub(super) status: String,
    pub(super) tm_deletion_scheduled: Option<String>,
}

pub(super) async fn standing(
    customers: Arc<Customers>,
    by: Context,
    id: Uuid,
    _: ReadCustomer,
) -> Result<CustomerStanding> {
    let Standing { status, tm_deletion_scheduled } = read(&customers.rows().get(by.scope, id).await?)?;
    Ok(CustomerStanding { status, tm_deletion_scheduled })
}
