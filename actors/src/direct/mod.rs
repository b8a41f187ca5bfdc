//! Opaque public names, `direct.<12 hex>`, under which outsiders may call a resource without learning its id.
//! Resources show their name themselves; a name is no resource of the HTTP API.

pub(crate) mod api;
mod customer_deleted;
mod find;
mod name;
mod resource_deleted;
mod unname;

use std::sync::Arc;

use protocol::ports::Deps;
use protocol::{Access, Field, Ops, Resource};

use crate::kernel::{Domain, Rows};

const NAME: &str = "direct-manager";

pub(crate) static DIRECT: Resource = Resource::new(
    "direct",
    "directs",
    &[Field::text("resource_type").filter(), Field::id("resource_id").unique(), Field::text("hash").unique()],
)
.ops(Ops::NONE)
.access(Access::INTERNAL);

/// The ends of everything that can have a name.
const ENDS: [&str; 8] = [
    "agent_deleted",
    "ai_deleted",
    "conference_deleted",
    "extension_deleted",
    "flow_deleted",
    "queue_deleted",
    "team_deleted",
    "webchat_widget_deleted",
];

struct Directs {
    deps: Deps,
}

impl Directs {
    fn rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &DIRECT, deps: &self.deps }
    }
}

pub(crate) fn domain(deps: &Deps) -> Domain {
    let directs = Arc::new(Directs { deps: deps.clone() });
    let domain = Domain::new(NAME, deps)
        .resource(&DIRECT)
        .ask(&directs, name::name)
        .ask(&directs, unname::unname)
        .ask_direct(&directs, find::find)
        .follow(&directs, "customer_deleted", "customer_deleted", customer_deleted::delete_all);
    ENDS.into_iter().fold(domain, |domain, end| domain.follow(&directs, end, end, resource_deleted::delete))
}
