//! An operator has mended what was wrong: an event that was set aside is published again.

use std::sync::Arc;

use protocol::ports::{Deps, Unit};
use protocol::{Command, Context, Error, Event, Result, Row, Rule, Verb, read};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::NAME;
use crate::kernel::{DEAD_EVENT, Rows};

#[derive(Serialize, Deserialize)]
pub(super) struct Replay {}

impl Command for Replay {
    const VERB: Verb = Verb::post("replay").rule(Rule::Platform);
    type Reply = Row;
}

#[derive(Deserialize)]
struct Dead {
    event: Event,
}

/// All followers get it again under the same id. Those that had it have it still; the one that failed tries
/// once more, and if it fails again the event is set aside again.
pub(super) async fn replay(deps: Arc<Deps>, by: Context, id: Uuid, _: Replay) -> Result<Row> {
    let rows = Rows { publisher: NAME, resource: &DEAD_EVENT, deps: &deps };
    let row = rows.get(by.scope, id).await?;
    let Dead { event } = read(&row).map_err(|mut error: Error| {
        error.message = "The event cannot be read any more.".into();
        error
    })?;
    let mut unit = Unit::default();
    unit.events.push(event);
    let gone = rows.amend(&mut unit, (&row, rows.tombstone()), "deleted", &by)?;
    deps.store.commit(unit).await?;
    Ok(Arc::unwrap_or_clone(gone))
}
