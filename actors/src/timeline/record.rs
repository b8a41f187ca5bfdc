//! Noting an event of a service that is not ours. Ours are noted where they become true.

use std::sync::Arc;

use protocol::ports::{Deps, Unit};
use protocol::{Catalog, Event, Resource, Result};

use crate::kernel::timeline;

pub(super) async fn record(deps: Arc<Deps>, event: Arc<Event>) -> Result<()> {
    let resource = resource(deps.catalog()?, &event.r#type);
    let writes = vec![timeline::noted(&*deps.clock, resource, &event)];
    deps.store.commit(Unit { writes, ..Unit::default() }).await
}

/// `confbridge_joined` is about a confbridge: the longest name that the type begins with.
fn resource(catalog: &Catalog, r#type: &str) -> Option<&'static Resource> {
    let names =
        |resource: &&Resource| r#type.strip_prefix(resource.name).is_some_and(|what| what.starts_with('_'));
    catalog
        .entries
        .iter()
        .map(|entry| entry.resource)
        .filter(names)
        .max_by_key(|resource| resource.name.len())
}
