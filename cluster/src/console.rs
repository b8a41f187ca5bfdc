//! What a browser and a probe find on the operators' port: the console's page with what keeps it alive, health,
//! and metrics.
//!
//! The page itself is open, because it holds the form to sign in; everything it shows asks for the session.

mod act;
mod answer;
mod files;
mod live;
mod open;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use gateway::Probe;
use http::StatusCode;

use crate::admin::{Desk, Gate};

/// What the console shows, and who may look.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) desk: Arc<Desk>,
    pub(crate) gate: Gate,
    pub(crate) probe: Arc<dyn Probe>,
}

pub(crate) fn routes(parts: Parts) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/console/") }))
        .route("/console", get(|| async { Redirect::temporary("/console/") }))
        .route("/console/", get(files::page))
        .route("/console/{file}", get(files::file))
        .route("/console/api/session", post(session::begin).delete(session::end))
        .route("/console/api/live", get(live::live))
        .route("/console/api/act", post(act::act))
        .route("/console/api/hinder", post(act::hinder))
        .route("/console/api/hindered", post(act::hindered))
        .route("/console/api/lift", post(act::lift))
        .route("/console/api/replay", post(act::replay))
        .route("/console/api/log", post(act::log))
        .route("/console/api/drain", post(act::drain))
        .route("/health", get(open::live))
        .route("/health/live", get(open::live))
        .route("/health/ready", get(open::ready))
        .route("/health/open", get(open::open))
        .route("/metrics", get(open::metrics))
        .with_state(Arc::new(parts))
}

/// The pages beside the services of gRPC, on one port.
pub(crate) fn beside(services: Router, pages: Router) -> Router {
    services.merge(pages).reset_fallback().fallback(nothing)
}

/// gRPC has its own way to say that there is no such service.
async fn nothing(request: Request) -> Response {
    let kind = request.headers().get(http::header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        return tonic::Status::unimplemented("there is no such service").into_http();
    }
    (StatusCode::NOT_FOUND, "nothing is here; the console is at /console/\n").into_response()
}
