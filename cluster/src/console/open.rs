//! What the node says about itself without credentials, as the gateway does: is it there, may it be sent work,
//! what does it count. A node without the gateway is probed here.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Parts;
use super::answer::typed;

const JSON: &str = "application/json";

pub(super) async fn live(State(parts): State<Arc<Parts>>) -> Response {
    match parts.probe.live().await {
        true => typed(StatusCode::OK, JSON, json!({"status": "live"}).to_string()),
        false => typed(StatusCode::SERVICE_UNAVAILABLE, JSON, json!({"status": "failing"}).to_string()),
    }
}

pub(super) async fn ready(State(parts): State<Arc<Parts>>) -> Response {
    let found = parts.probe.ready().await;
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
