//! Noting an event of a service that is not ours. Ours are noted where they become true.

use std::sync::Arc;

use protocol::ports::{Deps, Unit};
use protocol::{Event, Result, Status};

use super::rows;
use crate::kernel::timeline;

pub(super) async fn record(deps: Arc<Deps>, event: Arc<Event>) -> Result<()> {
    let resource = deps.catalog()?.named(&event.resource).map(|entry| entry.resource);
    let mut unit = Unit::default();
    rows(&deps).record(&mut unit, timeline::entry(resource, &event));
    match deps.store.commit(unit).await {
        // noted when the event came before
        Err(error) if error.status == Status::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}
