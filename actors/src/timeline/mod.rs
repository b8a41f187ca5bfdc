//! What happened: every event of the platform, as customers may see it, for as long as the installation
//! keeps it. Events that a follower could not take are found, and published again, here too.

mod aggregated;
mod customer_deleted;
mod events;
mod record;
mod replay;
mod story;

use std::sync::Arc;

use protocol::catalog::Locate;
use protocol::ports::{Deps, Filter};
use protocol::{Command, Mount, Ops, Row, event};
use serde_json::json;

use crate::aging::Records;
use crate::kernel::{DEAD_EVENT, Domain, Rows, TIMELINE_EVENT};

const NAME: &str = "timeline-manager";

pub(crate) fn domain(deps: &Deps) -> Domain {
    let state = Arc::new(deps.clone());
    let events = const { &events::ListEvents::VERB };
    let aggregated = const { &aggregated::ListAggregated::VERB };
    Domain::new(NAME, deps)
        .child(records().child(deps))
        .resource(&TIMELINE_EVENT)
        .ask(&state, events::list)
        .ask(&state, aggregated::list)
        .mount(Mount::new(
            "timelines/{resource_type}/{resource_id}/events",
            Locate::Collection(events),
            Ops::NONE,
        ))
        .mount(Mount::new("aggregated-events", Locate::Collection(aggregated), Ops::NONE))
        .resource(&DEAD_EVENT)
        .on(&state, replay::replay)
        .follow(&state, event::FOREIGN, "record", record::record)
        .follow(&state, "customer_deleted", "forget", customer_deleted::forget)
}

fn rows(deps: &Deps) -> Rows<'_> {
    Rows { publisher: NAME, resource: &TIMELINE_EVENT, deps }
}

fn records() -> Records {
    let empty = Row::from_iter([("data".to_owned(), json!(null))]);
    Records { resource: &TIMELINE_EVENT, filter: Filter::default(), empty, timed: false, kept: None }
}
