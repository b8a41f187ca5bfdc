//! What is known inside as the messages of the interface.

use std::collections::BTreeMap;

use proto::admin::v1::{
    ActOnActorResponse, DeadEvent, DomainPace, Node, PlatformEvent, ReplayDeadEventsResponse,
    WatchEventsResponse,
};

use super::dead::{Letter, Replayed};
use super::events::{Told, Word};
use super::figures::Pace;
use super::here::Acted;
use super::picture::Seen;

pub(super) fn node(seen: Seen) -> Node {
    Node {
        name: seen.node,
        state: seen.state,
        error: seen.error,
        version: seen.version,
        log: seen.log,
        tree: seen.tree.map(Into::into),
        domains: paces(seen.domains),
    }
}

fn paces(domains: BTreeMap<String, Pace>) -> Vec<DomainPace> {
    let one = |(domain, pace): (String, Pace)| DomainPace {
        domain,
        requests: pace.requests,
        failed: pace.failed,
        per_second: pace.per_second,
        failed_per_second: pace.failed_per_second,
        refused_per_second: pace.refused_per_second,
        p50_ms: pace.p50,
        p95_ms: pace.p95,
        p99_ms: pace.p99,
    };
    domains.into_iter().map(one).collect()
}

pub(super) fn event(told: Told) -> PlatformEvent {
    PlatformEvent {
        id: told.id.to_string(),
        r#type: told.r#type,
        time: told.time,
        publisher: told.publisher,
        customer_id: told.customer_id.to_string(),
        resource_type: told.resource_type,
        resource_id: told.resource_id.to_string(),
        data: told.data.to_string(),
    }
}

pub(super) fn word(word: Word) -> WatchEventsResponse {
    WatchEventsResponse { event: word.event.map(event), resume_token: word.token }
}

pub(super) fn letter(letter: Letter) -> DeadEvent {
    DeadEvent {
        id: letter.id.to_string(),
        follower: letter.follower,
        r#type: letter.r#type,
        error: letter.error,
        tries: letter.tries,
        time: letter.time,
    }
}

pub(super) fn replayed(sum: Replayed) -> ReplayDeadEventsResponse {
    ReplayDeadEventsResponse { replayed: sum.replayed, failed: sum.failed, error: sum.error }
}

pub(super) fn acted(acted: Acted) -> ActOnActorResponse {
    ActOnActorResponse {
        found: acted.found,
        rebuilt: acted.rebuilt,
        messages_lost: acted.messages_lost,
        requests_failed: acted.requests_failed,
        requests_finishing: acted.requests_finishing,
        events_late: acted.events_late,
        effect: acted.effect,
    }
}
