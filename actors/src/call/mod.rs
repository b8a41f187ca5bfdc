//! Calls, groups of calls, and the bridges between them. Each live one is an actor of its own.

mod act;
pub(crate) mod api;
mod arrive;
mod bridge;
mod calls;
mod connect;
mod count;
mod country;
mod delete;
mod digit;
mod finish;
mod group;
mod hangup;
mod media;
mod outbound;
mod outgoing;
mod place;
mod pod_gone;
mod record;
mod recover;
mod report;
mod session;
mod status;
mod talk;

use std::sync::Arc;

use protocol::catalog::Locate;
use protocol::ports::Deps;
use protocol::{Access, Field, Mount, Ops, Resource, Rule};

use crate::host::DIALOG;
use crate::kernel::{Child, Domain};
use calls::Calls;

const NAME: &str = "call-manager";

pub(crate) static CALL: Resource = Resource::new(
    "call",
    "calls",
    &[
        Field::text("owner_type"),
        Field::id("owner_id").filter(),
        Field::id("flow_id").create().of("flow").filter(),
        Field::id("activeflow_id").filter(),
        Field::choice("type", &["", "flow", "conference", "sip-service"]),
        Field::id("master_call_id"),
        Field::list("chained_call_ids"),
        Field::id("recording_id"),
        Field::list("recording_ids"),
        Field::id("groupcall_id").filter(),
        Field::json("source").create(),
        Field::json("destination"),
        Field::choice("status", status::STATUSES).filter(),
        Field::json("action"),
        Field::choice("direction", &["incoming", "outgoing"]).filter(),
        Field::choice("mute_direction", &["", "both", "in", "out"]),
        Field::choice("hangup_by", &["", "remote", "local"]),
        Field::choice("hangup_reason", status::REASONS),
        Field::map("metadata"),
        Field::time("tm_progressing"),
        Field::time("tm_ringing"),
        Field::time("tm_hangup"),
        Field::list("destinations").create().required().internal(),
        Field::list("actions").create().internal(),
        Field::map("variables").create().internal(),
        Field::choice("anonymous", &["", "yes", "no", "auto"]).create().internal(),
        Field::bool("early_execution").internal(),
        Field::id("confbridge_id").filter().internal(),
        Field::text("node").filter().internal(),
        Field::json("turn").internal(),
        Field::json("finished").internal(),
        Field::int("hangup_cause").internal(),
        Field::text("sip_call_id").internal(),
        Field::id("provider_id").internal(),
    ],
)
.ops(Ops::ALL.without(Ops::UPDATE));

pub(crate) static GROUPCALL: Resource = Resource::new(
    "groupcall",
    "groupcalls",
    &[
        Field::text("owner_type"),
        Field::id("owner_id").filter(),
        Field::choice("status", &["progressing", "hangingup", "hangup"]).initially("progressing").filter(),
        Field::id("flow_id").create().of("flow"),
        Field::json("source").create(),
        Field::list("destinations").create().required(),
        Field::id("master_call_id"),
        Field::id("master_groupcall_id"),
        Field::choice("ring_method", &["", "ring_all", "linear"]).create().initially("ring_all"),
        Field::choice("answer_method", &["", "hangup_others"]).create().initially("hangup_others"),
        Field::id("answer_call_id"),
        Field::list("call_ids"),
        Field::id("answer_groupcall_id"),
        Field::list("groupcall_ids"),
        Field::int("call_count"),
        Field::int("groupcall_count"),
        Field::int("dial_index"),
        Field::list("actions").create().internal(),
        Field::map("variables").create().internal(),
        Field::list("legs").internal(),
        Field::text("anonymous").internal(),
        Field::id("confbridge_id").filter().internal(),
        Field::text("node").filter().internal(),
    ],
)
.ops(Ops::ALL.without(Ops::UPDATE));

pub(crate) static CONFBRIDGE: Resource = Resource::new(
    "confbridge",
    "confbridges",
    &[
        Field::id("activeflow_id"),
        Field::text("reference_type"),
        Field::id("reference_id"),
        Field::choice("type", &["connect", "conference"]).initially("connect"),
        Field::choice("status", &["progressing", "terminating", "terminated"])
            .initially("progressing")
            .filter(),
        Field::list("call_ids"),
        Field::list("expected_ids").internal(),
        Field::id("joined_call_id"),
        Field::id("leaved_call_id"),
        Field::text("node").filter().internal(),
    ],
)
.ops(Ops::NONE)
.access(Access::INTERNAL);

/// What a customer may dial and as whom: one row per customer.
pub(crate) static OUTBOUND_CONFIG: Resource = Resource::new(
    "outbound_config",
    "outbound_configs",
    &[
        Field::text("name").edit(),
        Field::text("detail").edit(),
        Field::list("destination_whitelist").edit().check(outbound::countries),
        Field::text("codecs").edit().check(outbound::codecs),
        Field::id("default_outgoing_source_number_id").edit().of("number"),
    ],
)
.access(Access::PLATFORM)
.shared();

pub(crate) fn domain(deps: &Deps) -> Domain {
    let calls = Arc::new(Calls::new(deps));
    let reports = calls.clone();
    let own = Ops::GET.and(Ops::UPDATE);
    let domain = Domain::new(NAME, deps).asks(ASKS).tells(&["flow-manager"]);
    serve_calls(domain, &calls)
        .mount(Mount::new("service_agents/calls", Locate::Rows, Ops::READ).access(Access::all(Rule::Own)))
        .resource(&GROUPCALL)
        .lives(&calls.groups, &["hangup"])
        .create(&calls, group::create)
        .delete(&calls, delete::group)
        .direct(&calls, group::hangup)
        .resource(&CONFBRIDGE)
        .lives(&calls.bridges, &["terminated"])
        .resource(&OUTBOUND_CONFIG)
        .create(&calls, outbound::create)
        .mount(Mount::new("outbound_config", Locate::Only, own).access(Access::ADMIN))
        .follow(&calls, "customer_created", "outbound_config", outbound::customer_created)
        .follow(&calls, "customer_deleted", "forget_outbound_config", outbound::customer_deleted)
        .follow(&calls, "customer_frozen", "hang_up_frozen", hangup::customer_gone)
        .follow(&calls, "customer_deleted", "delete", delete::customer_deleted)
        .follow(&calls, "pod_deleted", "doubt_node", pod_gone::doubt)
        .child(Child::live("bridges", &calls.bridges, &Arc::new(recover::Bridges(calls.clone()))))
        .child(Child::live("groups", &calls.groups, &Arc::new(recover::Groups(calls.clone()))))
        .child(Child::live("calls", &calls.live, &Arc::new(recover::Sessions(calls.clone()))))
        .child(Child::task("reports", move |token| report::route(reports.clone(), token)))
}

const ASKS: &[&str] = &[
    "agent-manager",
    "billing-manager",
    "customer-manager",
    "direct-manager",
    "number-manager",
    "registrar-manager",
    "route-manager",
    "tts-manager",
];

fn serve_calls(domain: Domain, calls: &Arc<Calls>) -> Domain {
    domain
        .resource(&CALL)
        .lives(&calls.live, &["hangup"])
        .journals(DIALOG)
        .create(calls, place::create)
        .delete(calls, delete::call)
        .direct(calls, act::act)
        .direct(calls, act::cut_short)
        .direct(calls, hangup::hangup)
        .direct(calls, hangup::end)
        .direct(calls, outgoing::chain)
        .direct(calls, media::throw::<media::Hold>)
        .direct(calls, media::throw::<media::Unhold>)
        .direct(calls, media::mute)
        .direct(calls, media::unmute)
        .direct(calls, media::throw::<media::Music>)
        .direct(calls, media::throw::<media::NoMusic>)
        .direct(calls, media::throw::<media::Silence>)
        .direct(calls, media::throw::<media::NoSilence>)
        .direct(calls, talk::talk)
        .on(calls, connect::connect)
        .ask(calls, place::place)
        .ask(calls, arrive::arrive)
}
