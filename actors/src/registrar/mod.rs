//! Telephones of customers (extensions), their switches (trunks), and what the voice engine asks about both:
//! who may register, who may call, and where a registered telephone is.

pub(crate) mod api;
mod bind;
mod bindings;
mod contacts;
mod customer_deleted;
mod direct_hash;
mod extension;
mod find;
mod gate;
mod host;
mod secret;
mod trunk;

use std::sync::Arc;

use protocol::ports::Deps;
use protocol::{Field, Resource};

use crate::kernel::{Domain, Rows};
use crate::network;

const NAME: &str = "registrar-manager";

pub(crate) static EXTENSION: Resource = Resource::new(
    "extension",
    "extensions",
    &[
        Field::text("name").edit().filter(),
        Field::text("detail").edit(),
        Field::text("extension").create().required().filter().check(extension::check_number),
        Field::text("domain_name"),
        Field::text("username"),
        Field::text("password").edit().required().secret().check(extension::check_password),
        Field::text("direct_hash"),
        Field::text("realm").internal(),
        // `<extension>@<realm>`: one of each number per customer
        Field::text("aor").internal().unique(),
    ],
);

pub(crate) static TRUNK: Resource = Resource::new(
    "trunk",
    "trunks",
    &[
        Field::text("name").edit().filter(),
        Field::text("detail").edit(),
        Field::text("domain_name").create().required().unique().check(trunk::check_domain_name),
        Field::list("auth_types").edit().required().check(trunk::check_auth_types),
        Field::text("username").edit(),
        Field::text("password").edit().secret(),
        Field::list("allowed_ips").edit().check(network::check_list),
        Field::text("realm").internal(),
    ],
);

struct Registrar {
    deps: Deps,
}

impl Registrar {
    fn extensions(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &EXTENSION, deps: &self.deps }
    }

    fn trunks(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &TRUNK, deps: &self.deps }
    }
}

pub(crate) fn domain(deps: &Deps) -> Domain {
    let registrar = Arc::new(Registrar { deps: deps.clone() });
    Domain::new(NAME, deps)
        .asks(&["billing-manager", "direct-manager", "route-manager"])
        .resource(&EXTENSION)
        .create(&registrar, extension::create)
        .delete(&registrar, extension::delete)
        .on(&registrar, direct_hash::regenerate)
        .on(&registrar, bind::bind)
        .on(&registrar, contacts::contacts)
        .ask_direct(&registrar, gate::gate)
        .ask_direct(&registrar, secret::secret)
        .ask_direct(&registrar, find::find)
        .resource(&TRUNK)
        .create(&registrar, trunk::create)
        .update(&registrar, trunk::update)
        .follow(&registrar, "customer_deleted", "customer_deleted", customer_deleted::delete_all)
}
