//! The past of a customer goes with the customer.

use std::sync::Arc;

use protocol::ports::Deps;
use protocol::{Event, Result};

use super::records;

pub(super) async fn forget(deps: Arc<Deps>, event: Arc<Event>) -> Result<()> {
    records().delete_all(&deps, event.row_id()?).await
}
