//! The people of a customer: how they log in, what they may do, where they are reached, whether they are free.

mod add;
mod addresses;
pub(crate) mod api;
mod create;
mod customer_deleted;
mod delete;
mod direct_hash;
mod find_by_address;
mod login;
mod password;
mod permission;
mod presence;
mod reach;
mod standing;
mod status;
mod tag_deleted;
mod tag_ids;

use std::sync::Arc;

use protocol::catalog::Locate;
use protocol::ports::Deps;
use protocol::{Access, Field, Mount, Ops, Resource, Result, Rule};
use tokio::sync::Mutex;

use crate::kernel::{Domain, Rows};

const NAME: &str = "agent-manager";
const STATUSES: &[&str] = &["", "available", "away", "busy", "offline", "ringing"];

pub static AGENT: Resource = Resource::new(
    "agent",
    "agents",
    &[
        Field::text("username").create().required().unique().check(add::check_username),
        // arrives in the clear and is a bcrypt hash before it gets near a row
        Field::text("password").create().required().internal().check(password::check),
        Field::text("name").edit(),
        Field::text("detail").edit(),
        Field::choice("ring_method", &["ringall", "linear"]).edit().initially("ringall"),
        Field::choice("status", STATUSES).filter(),
        Field::int("permission").create().check(permission::check),
        Field::list("tag_ids").create().filter().of("tag").check(tag_ids::check),
        Field::list("addresses").create(),
        Field::text("direct_hash"),
        Field::text("chosen_status").internal(),
        Field::map("calls").internal(),
    ],
)
.access(Access::STAFF.get(Rule::Own).update(Rule::Own));

/// Keeps an address with one agent only. Its rows follow the agent's own and are no facts themselves.
pub(crate) static AGENT_ADDRESS: Resource = Resource::new(
    "agent_address",
    "agent_addresses",
    &[Field::id("agent_id").filter(), Field::id("address_key").unique()],
)
.ops(Ops::NONE)
.access(Access::INTERNAL);

/// Two requests that change one agent at the same time meet once or twice, not more often.
const CONFLICTS: usize = 5;

struct Agents {
    deps: Deps,
    hashing: password::Hashing,
    /// Held while an admin goes, so that two cannot both be the last but one.
    leaving: Mutex<()>,
}

impl Agents {
    fn rows(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &AGENT, deps: &self.deps }
    }

    fn places(&self) -> Rows<'_> {
        Rows { publisher: NAME, resource: &AGENT_ADDRESS, deps: &self.deps }
    }
}

/// Tries again while somebody else changes the same row.
async fn again<T, F: Future<Output = Result<T>>>(attempt: impl Fn() -> F) -> Result<T> {
    let mut tries = 0;
    loop {
        match attempt().await {
            Err(error) if error.is_conflict() && tries < CONFLICTS => tries += 1,
            outcome => return outcome,
        }
    }
}

pub(crate) fn domain(deps: &Deps) -> Domain {
    let agents =
        Agents { deps: deps.clone(), hashing: password::Hashing::default(), leaving: Mutex::new(()) };
    let agents = Arc::new(agents);
    let own = Access::all(Rule::Own);
    let profile = Ops::GET.and(Ops::UPDATE);
    Domain::new(NAME, deps)
        .asks(&["billing-manager", "direct-manager", "registrar-manager"])
        .resource(&AGENT_ADDRESS)
        .resource(&AGENT)
        .mount(Mount::new("me", Locate::Agent, Ops::GET).access(own))
        .mount(Mount::new("service_agents/me", Locate::Agent, profile).access(own).verbs(&[
            "addresses",
            "password",
            "status",
        ]))
        .mount(Mount::new("service_agents/agents", Locate::Rows, Ops::READ).access(Access::all(Rule::Member)))
        .create(&agents, create::create)
        .delete(&agents, delete::delete)
        .on(&agents, addresses::set_addresses)
        .on(&agents, tag_ids::set_tags)
        .on(&agents, permission::set_permission)
        .on(&agents, status::set_status)
        .on(&agents, password::set_password)
        .on(&agents, direct_hash::regenerate)
        .direct(&agents, standing::standing)
        .on(&agents, reach::reach)
        .ask(&agents, login::login)
        .ask_direct(&agents, find_by_address::find)
        .ask(&agents, create::create_admin)
        .follow_if(&agents, ("call_ringing", presence::is_an_agents), "ringing", presence::follow)
        .follow_if(&agents, ("call_progressing", presence::is_an_agents), "progressing", presence::follow)
        .follow_if(&agents, ("call_hangup", presence::is_an_agents), "hangup", presence::follow)
        .follow(&agents, "tag_deleted", "tag_deleted", tag_deleted::clear)
        .follow(&agents, "customer_deleted", "customer_deleted", customer_deleted::delete_all)
}
