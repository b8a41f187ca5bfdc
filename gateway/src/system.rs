//! What the node says about itself, without credentials: is it there, may it be sent work, what does it count.

use http::StatusCode;
use protocol::Result;
use serde_json::{Map, Value, json};

use crate::parts::Probe;
use crate::response::{Response, json as as_json, typed};

pub(crate) fn ping() -> Result<Response> {
    as_json(StatusCode::OK, &json!({"message": "pong"}))
}

pub(crate) async fn live(probe: &dyn Probe) -> Result<Response> {
    match probe.live().await {
        true => as_json(StatusCode::OK, &json!({"status": "live"})),
        false => as_json(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "failing"})),
    }
}

/// Names every dependency, and says of each what is wrong with it. Ready when those that are needed are well.
pub(crate) async fn ready(probe: &dyn Probe) -> Result<Response> {
    let found = probe.ready().await;
    let is_ready = found.iter().all(|check| check.fault.is_none() || !check.is_needed);
    let checks: Map<String, Value> = found
        .into_iter()
        .map(|check| (check.name, check.fault.unwrap_or_else(|| "ok".into()).into()))
        .collect();
    let (code, status) = match is_ready {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    as_json(code, &json!({"status": status, "checks": checks}))
}

pub(crate) fn metrics(probe: &dyn Probe) -> Response {
    typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", probe.metrics().into())
}
