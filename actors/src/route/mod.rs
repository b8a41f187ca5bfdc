//! Carriers, and which of them takes a call to the telephone network. Both belong to the installation: only
//! operators see them.

pub(crate) mod api;
mod breaker;
mod carrier;
mod check;
mod create;
mod customer_deleted;
mod find;
mod provider;
mod report;
mod select;

use std::sync::Arc;

use protocol::ports::Deps;
use protocol::{Access, Field, Resource};

use crate::kernel::{Domain, Rows};
use crate::network;

const NAME: &str = "route-manager";

/// From `transport` on the columns are ours: VoIPBIN's carriers take UDP and know callers by address.
pub(crate) static PROVIDER: Resource = Resource::new(
    "provider",
    "providers",
    &[
        Field::choice("type", &["sip"]).edit().initially("sip"),
        Field::text("hostname").edit().required().check(check::hostname),
        Field::text("tech_prefix").edit().check(check::user_part),
        Field::text("tech_postfix").edit().check(check::user_part),
        Field::map("tech_headers").edit().check(check::headers),
        Field::json("metadata").edit(),
        Field::text("name").edit().filter(),
        Field::text("detail").edit(),
        Field::text("codecs").edit().check(check::codecs),
        Field::choice("health_status", &["unknown", "healthy", "unhealthy"]).initially("unknown"),
        Field::time("health_checked_at"),
        Field::choice("transport", &["udp", "tcp"]).edit().initially("udp"),
        Field::text("username").edit(),
        Field::text("password").edit().secret(),
        Field::text("realm").edit(),
        Field::list("addresses").edit().check(network::check_list),
    ],
)
.access(Access::PLATFORM)
.shared();

/// `customer_id` says whose calls it is for; [`select::EVERYBODY`] makes it a default.
pub(crate) static ROUTE: Resource = Resource::new(
    "route",
    "routes",
    &[
        Field::text("name").edit().filter(),
        Field::text("detail").edit(),
        Field::id("provider_id").edit().required().filter().of("provider"),
        Field::int("priority").edit(),
        Field::text("target").edit().required().filter().check(check::target),
    ],
)
.access(Access::PLATFORM)
.shared();

struct Routes {
    deps: Deps,
    breaker: breaker::Breaker,
}

impl Routes {
    fn rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &ROUTE, deps: &self.deps }
    }

    fn providers(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &PROVIDER, deps: &self.deps }
    }
}

pub(crate) fn domain(deps: &Deps) -> Domain {
    let routes = Arc::new(Routes { deps: deps.clone(), breaker: breaker::Breaker::default() });
    Domain::new(NAME, deps)
        .resource(&PROVIDER)
        .update(&routes, provider::update)
        .on(&routes, report::report)
        .ask_direct(&routes, carrier::find)
        .resource(&ROUTE)
        .create(&routes, create::create)
        .ask_direct(&routes, find::find)
        .follow(&routes, "customer_deleted", "customer_deleted", customer_deleted::delete_all)
}
