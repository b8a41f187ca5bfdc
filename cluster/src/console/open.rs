//! What the node says about itself without credentials, as the gateway does: is it there, may it be sent work,
//! what does it count. A node without the gateway is probed here.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gateway::Check;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Parts;
use super::answer::typed;

const JSON: &str = "application/json";
/// What a node shares with all others.
const SHARED: [&str; 2] = ["store", "bus"];

pub(super) async fn live(State(parts): State<Arc<Parts>>) -> Response {
    match parts.probe.live().await {
        true => typed(StatusCode::OK, JSON, json!({"status": "live"}).to_string()),
        false => typed(StatusCode::SERVICE_UNAVAILABLE, JSON, json!({"status": "failing"}).to_string()),
    }
}

pub(super) async fn ready(State(parts): State<Arc<Parts>>) -> Response {
    told(parts.probe.ready().await)
}

/// As [`ready`], of a node that stands at a door: while what all nodes share is away, somebody must be there to say
/// no. If each went away, whoever calls or asks would hear nothing at all.
pub(super) async fn open(State(parts): State<Arc<Parts>>) -> Response {
    told(own(parts.probe.ready().await))
}

/// Only what is this node's own is needed.
fn own(found: Vec<Check>) -> Vec<Check> {
    let own = |check: Check| Check { is_needed: check.is_needed && !SHARED.contains(&&*check.name), ..check };
    found.into_iter().map(own).collect()
}

fn told(found: Vec<Check>) -> Response {
    let is_ready = found.iter().all(|check| check.fault.is_none() || !check.is_needed);
    let fault = |fault: Option<String>| Value::from(fault.unwrap_or_else(|| "ok".to_owned()));
    let checks: Map<_, _> = found.into_iter().map(|check| (check.name, fault(check.fault))).collect();
    let (code, status) = match is_ready {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    typed(code, JSON, json!({"status": status, "checks": checks}).to_string())
}

pub(super) async fn metrics(State(parts): State<Arc<Parts>>) -> Response {
    typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", parts.probe.metrics())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(broken: &str, (ready, open): (u16, u16)) {
        let found = || {
            let one = |name: &str| Check {
                name: name.to_owned(),
                fault: (name == broken).then(|| "away".to_owned()),
                is_needed: name != "cache",
            };
            ["store", "cache", "bus", "node", "call-manager"].map(one).into()
        };
        let said = (told(found()).status().as_u16(), told(own(found())).status().as_u16());
        assert_eq!(said, (ready, open), "{broken}");
    }

    #[test]
    fn what_all_nodes_share_closes_no_door() {
        check("nothing", (200, 200));
        check("cache", (200, 200));
        check("store", (503, 200));
        check("bus", (503, 200));
        check("node", (503, 503));
        check("call-manager", (503, 503));
    }
}
