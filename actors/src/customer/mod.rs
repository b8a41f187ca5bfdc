//! Tenants and their access keys. Every other row belongs to a customer; a customer's row belongs to itself.

mod accesskey;
pub(crate) mod api;
mod billing_account;
mod check;
mod create;
mod customer_deleted;
mod erase;
mod found;
mod freeze;
mod identity_verification;
mod metadata;
mod profile;
mod read_key;
mod recover;
mod standing;
mod update;

use std::sync::Arc;

use protocol::catalog::Locate;
use protocol::ports::Deps;
use protocol::{Access, Field, Mount, Ops, Resource, Rule};

use crate::kernel::{Domain, Rows};

const NAME: &str = "customer-manager";

/// Shared, because operators see all of them; each still stands under its own `customer_id`.
pub static CUSTOMER: Resource = Resource::new(
    "customer",
    "customers",
    &[
        Field::text("name").edit().filter(),
        Field::text("detail").edit(),
        Field::text("email").edit().required().unique().check(check::email),
        Field::text("phone_number").edit(),
        Field::text("address").edit(),
        Field::choice("webhook_method", &["", "POST", "GET", "PUT", "DELETE"]).edit(),
        Field::text("webhook_uri").edit().check(check::web_address),
        Field::text("webhook_secret").secret(),
        Field::id("billing_account_id").of("billing_account"),
        Field::map("metadata"),
        Field::bool("email_verified"),
        Field::choice("status", &["initial", "active", "frozen", "deleted", "expired"]).filter(),
        Field::choice("identity_verification_status", &["none", "pending", "verified", "rejected"])
            .initially("none"),
        Field::time("tm_deletion_scheduled"),
    ],
)
.access(Access::PLATFORM)
.shared();

pub static ACCESSKEY: Resource = Resource::new(
    "accesskey",
    "accesskeys",
    &[
        Field::text("name").edit(),
        Field::text("detail").edit(),
        // stands in the answer to the creation only: what is stored is empty
        Field::text("token").secret(),
        Field::text("token_prefix"),
        Field::text("token_hash").internal().unique(),
        Field::int("expire").create().internal().check(accesskey::check_expire),
        Field::time("tm_expire"),
    ],
)
.access(Access::ADMIN);

struct Customers {
    deps: Deps,
}

impl Customers {
    fn rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &CUSTOMER, deps: &self.deps }
    }

    fn keys(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &ACCESSKEY, deps: &self.deps }
    }
}

pub(crate) fn domain(deps: &Deps) -> Domain {
    let customers = Arc::new(Customers { deps: deps.clone() });
    let own = Ops::GET.and(Ops::UPDATE);
    Domain::new(NAME, deps)
        .resource(&CUSTOMER)
        .mount(
            Mount::new("customer", Locate::Customer, own)
                .access(Access::STAFF.update(Rule::Admin))
                .verbs(&["billing_account_id", "metadata"]),
        )
        .create(&customers, create::create)
        .update(&customers, update::update)
        .delete(&customers, erase::delete)
        .on(&customers, freeze::freeze)
        .on(&customers, recover::recover)
        .on(&customers, erase::erase)
        .on(&customers, metadata::set_metadata)
        .on(&customers, billing_account::set_billing_account)
        .on(&customers, identity_verification::set_identity_verification)
        .direct(&customers, profile::profile)
        .direct(&customers, standing::standing)
        .ask(&customers, found::found)
        .resource(&ACCESSKEY)
        .create(&customers, accesskey::create)
        .ask_direct(&customers, read_key::read_key)
        .follow(&customers, "customer_deleted", "customer_deleted", customer_deleted::delete_keys)
}
