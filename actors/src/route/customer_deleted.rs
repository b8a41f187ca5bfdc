//! A customer's routes go when the customer goes.

use std::sync::Arc;

use protocol::{Event, Result};

use super::Routes;

pub(super) async fn delete_all(routes: Arc<Routes>, event: Arc<Event>) -> Result<()> {
    routes.rows().delete_all(event.row_id()?).await
}
