//! A customer's access keys go when the customer goes.

use std::sync::Arc;

use protocol::{Event, Result};

use super::Customers;

pub(super) async fn delete_keys(customers: Arc<Customers>, event: Arc<Event>) -> Result<()> {
    customers.keys().delete_all(event.row_id()?).await
}
