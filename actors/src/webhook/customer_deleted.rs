//! A customer that is gone is told nothing any more.

use std::sync::Arc;

use protocol::{Event, Result};

use super::{Webhooks, everything};

pub(super) async fn forget(state: Arc<Webhooks>, event: Arc<Event>) -> Result<()> {
    everything().delete_all(&state.deps, event.row_id()?).await
}
