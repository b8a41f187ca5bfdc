//! Telephone numbers of customers: virtual ones, which customers make themselves, and those of carriers, which
//! an operator enters. A number is live on the platform once, whoever has it.

pub(crate) mod api;
mod available;
mod create;
mod customer_deleted;
mod delete;
mod digits;
mod enter;
mod find;
mod flow_deleted;
mod flow_ids;
mod metadata;

use std::sync::Arc;

use protocol::catalog::Locate;
use protocol::ports::Deps;
use protocol::{Command, Field, Mount, Ops, Resource};

use crate::kernel::{Domain, Rows};

const NAME: &str = "number-manager";

pub(crate) static NUMBER: Resource = Resource::new(
    "number",
    "numbers",
    &[
        Field::text("number").create().required().unique(),
        Field::choice("type", &["normal", "virtual"]).create().filter().initially("normal"),
        Field::id("call_flow_id").edit().filter().of("flow"),
        Field::id("message_flow_id").edit().filter().of("flow"),
        Field::text("name").edit().filter(),
        Field::text("detail").edit(),
        Field::text("provider_name").internal(),
        Field::text("provider_reference_id").internal(),
        Field::choice("status", &["active", "deleted"]).filter().initially("active"),
        Field::bool("t38_enabled"),
        Field::bool("emergency_enabled"),
        Field::map("metadata"),
        Field::time("tm_purchase"),
        Field::time("tm_renew"),
    ],
);

struct Numbers {
    deps: Deps,
}

impl Numbers {
    fn rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &NUMBER, deps: &self.deps }
    }
}

pub(crate) fn domain(deps: &Deps) -> Domain {
    let numbers = Arc::new(Numbers { deps: deps.clone() });
    let available = Locate::Collection(const { &available::ListAvailable::VERB });
    Domain::new(NAME, deps)
        .asks(&["billing-manager", "customer-manager"])
        .resource(&NUMBER)
        .mount(Mount::new("available_numbers", available, Ops::NONE))
        .create(&numbers, create::create)
        .delete(&numbers, delete::delete)
        .on(&numbers, flow_ids::set_flows)
        .on(&numbers, metadata::set_metadata)
        .ask(&numbers, available::available)
        .ask(&numbers, enter::enter)
        .ask_direct(&numbers, find::find)
        .follow(&numbers, "flow_deleted", "flow_deleted", flow_deleted::clear)
        .follow(&numbers, "customer_deleted", "customer_deleted", customer_deleted::delete_all)
}
