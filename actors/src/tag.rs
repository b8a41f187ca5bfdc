//! Labels that a customer puts on agents, queues and contacts. Names may repeat: the id is what counts.

use std::sync::Arc;

use protocol::catalog::Locate;
use protocol::ports::Deps;
use protocol::{Access, Event, Field, Mount, Ops, Resource, Result, Rule};

use crate::kernel::{Domain, Rows};

const NAME: &str = "tag-manager";

pub(crate) static TAG: Resource =
    Resource::new("tag", "tags", &[Field::text("name").edit().filter(), Field::text("detail").edit()]);

pub(crate) fn domain(deps: &Deps) -> Domain {
    let state = Arc::new(deps.clone());
    let seen = Mount::new("service_agents/tags", Locate::Rows, Ops::READ).access(Access::all(Rule::Member));
    let domain = Domain::new(NAME, deps).resource(&TAG).mount(seen);
    domain.follow(&state, "customer_deleted", "customer_deleted", customer_deleted)
}

async fn customer_deleted(deps: Arc<Deps>, event: Arc<Event>) -> Result<()> {
    Rows { publisher: NAME, resource: &TAG, deps: &deps }.delete_all(event.row_id()?).await
}
