//! A name goes when what it names goes.

use std::sync::Arc;

use protocol::{Event, Result, Scope};

use super::Directs;
use super::unname::forget;

pub(super) async fn delete(directs: Arc<Directs>, event: Arc<Event>) -> Result<()> {
    forget(&directs, Scope::Platform, event.row_id()?).await
}
