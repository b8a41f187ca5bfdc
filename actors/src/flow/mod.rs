//! The flow domain: stored flows, and activeflows that run them.
//!
//! It asks calls to carry actions out and hears of them by events. Nobody waits for an activeflow to get
//! anywhere: what waits for the next action is the activeflow itself.

mod action;
pub(crate) mod api;
mod begin;
mod call_begun;
mod call_heard;
mod check;
mod create;
mod customer_deleted;
mod digits;
mod direct_hash;
mod ended;
mod flows;
mod hear;
mod literal;
mod machine;
mod option;
mod perform;
mod reader;
mod recover;
mod run;
mod save;
mod service;
mod stack;
mod state;
mod stop;
mod template;
#[cfg(test)]
mod tests;
mod variables;

use std::sync::Arc;

use protocol::ports::Deps;
use protocol::{Field, Ops, Resource};

use crate::kernel::{Child, Domain};
use flows::Flows;

const NAME: &str = "flow-manager";

pub(crate) static FLOW: Resource = Resource::new(
    "flow",
    "flows",
    &[
        Field::choice("type", &["flow", "conference", "queue", "campaign", "transfer"])
            .initially("flow")
            .filter(),
        Field::text("name").edit().filter(),
        Field::text("detail").edit(),
        Field::list("actions").edit(),
        Field::text("direct_hash"),
        Field::id("on_complete_flow_id").edit().of("flow"),
    ],
);

/// One run of a flow. Only its actor writes the row while it runs.
pub(crate) static ACTIVEFLOW: Resource = Resource::new(
    "activeflow",
    "activeflows",
    &[
        Field::id("flow_id").create().of("flow").filter(),
        Field::choice("status", &["", "running", "ended"]).filter(),
        Field::choice(
            "reference_type",
            &["", "ai", "api", "call", "campaign", "conversation", "transcribe", "recording"],
        )
        .filter(),
        Field::id("reference_id").filter(),
        Field::id("reference_activeflow_id").filter(),
        Field::id("on_complete_flow_id"),
        Field::text("webhook_uri").create().check(create::web_address),
        Field::choice("webhook_method", &["", "POST", "GET", "PUT", "DELETE"]).create(),
        Field::json("current_action"),
        Field::id("forward_action_id"),
        Field::list("executed_actions"),
        Field::int("execute_count").internal(),
        Field::text("node").filter().internal(),
        // only of a creation: what runs and with what is journalled, not stored in the row
        Field::list("actions").create().internal(),
        Field::map("variables").create().internal(),
    ],
)
.ops(Ops::ALL.without(Ops::UPDATE))
.given_id();

pub(crate) fn domain(deps: &Deps) -> Domain {
    let flows = Arc::new(Flows::new(deps));
    Domain::new(NAME, deps)
        .asks(&["call-manager", "direct-manager", "webhook-manager"])
        .resource(&FLOW)
        .create(&flows, save::create)
        .update(&flows, save::update)
        .on(&flows, direct_hash::regenerate)
        .resource(&ACTIVEFLOW)
        .lives(&flows.live, &["ended"])
        .journals(flows::JOURNAL)
        .create(&flows, create::create)
        .delete(&flows, stop::delete)
        .direct(&flows, stop::stop)
        .direct(&flows, hear::hear)
        .direct(&flows, service::push_actions)
        .direct(&flows, service::add_actions)
        .direct(&flows, service::stop_service)
        .direct(&flows, service::go_on)
        .direct(&flows, service::forward)
        .direct(&flows, service::set_variables)
        .follow(&flows, "call_created", "call_created", call_begun::created)
        .follow(&flows, "call_ringing", "call_ringing", call_begun::ringing)
        .directly()
        .follow(&flows, "call_progressing", "call_progressing", call_begun::progressing)
        .directly()
        .follow(&flows, "call_action_finished", "call_action_finished", call_heard::action_finished)
        .directly()
        .follow(&flows, "call_rebuilt", "call_rebuilt", call_heard::rebuilt)
        .directly()
        .follow(&flows, "dtmf_received", "dtmf_received", call_heard::dtmf_received)
        .directly()
        .follow(&flows, "call_hangup", "call_hangup", call_heard::hangup)
        .directly()
        .follow_if(&flows, ("activeflow_updated", ended::is_of_a_call), "ended", ended::hang_up)
        .directly()
        .follow(&flows, "customer_deleted", "customer_deleted", customer_deleted::delete_all)
        .child(Child::live("activeflows", &flows.live, &Arc::new(recover::Runs(flows.clone()))))
}
