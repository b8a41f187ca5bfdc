//! A customer's names go when the customer goes.

use std::sync::Arc;

use protocol::{Event, Result};

use super::Directs;

pub(super) async fn delete_all(directs: Arc<Directs>, event: Arc<Event>) -> Result<()> {
    directs.rows().delete_all(event.row_id()?).await
}
