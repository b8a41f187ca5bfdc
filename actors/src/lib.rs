//! The domains. `kernel` is the machinery they share; every other module is one domain.

pub mod kernel;

mod agent;
mod aging;
mod billing;
mod call;
mod customer;
mod direct;
mod flow;
mod host;
mod idempotency;
mod network;
mod number;
mod registrar;
mod route;
mod sentinel;
mod tag;
mod timeline;
mod tts;
mod webhook;

pub use host::{Dialogs, Host};

use kernel::Domain;
use protocol::Resource;
use protocol::ports::Deps;

/// The whole platform, one line per domain. Those that are asked come before those that ask.
pub fn domains(deps: &Deps) -> Vec<Domain> {
    vec![
        billing::domain(deps),
        customer::domain(deps),
        idempotency::domain(deps),
        direct::domain(deps),
        tag::domain(deps),
        route::domain(deps),
        number::domain(deps),
        registrar::domain(deps),
        agent::domain(deps),
        tts::domain(deps),
        call::domain(deps),
        webhook::domain(deps),
        flow::domain(deps),
        sentinel::domain(deps),
        timeline::domain(deps),
    ]
}

/// Every resource of every domain: what a store must be able to keep before a domain can start. A test
/// compares it with what the domains say.
pub fn resources() -> Vec<&'static Resource> {
    vec![
        &kernel::DEAD_EVENT,
        &agent::AGENT,
        &agent::AGENT_ADDRESS,
        &billing::ACCOUNT,
        &billing::BILLING,
        &billing::RATE,
        &call::CALL,
        &call::GROUPCALL,
        &call::CONFBRIDGE,
        &call::OUTBOUND_CONFIG,
        &customer::CUSTOMER,
        &customer::ACCESSKEY,
        &direct::DIRECT,
        &flow::FLOW,
        &flow::ACTIVEFLOW,
        &idempotency::IDEMPOTENCY_KEY,
        &number::NUMBER,
        &registrar::EXTENSION,
        &registrar::TRUNK,
        &route::PROVIDER,
        &route::ROUTE,
        &sentinel::POD,
        &tag::TAG,
        &kernel::TIMELINE_EVENT,
        &tts::SPEECH,
        &webhook::DELIVERY,
    ]
}

/// What the node asks at its first start.
pub mod first {
    pub use crate::agent::api::{AGENT, CreateAdmin};
    pub use crate::customer::api::{Found, SetIdentityVerification};
    pub use crate::customer::{ACCESSKEY, CUSTOMER};
}
