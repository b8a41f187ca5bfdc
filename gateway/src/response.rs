//! Answers as bytes: JSON as Go writes it, and the one error envelope.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use protocol::{Error, Status};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::Duration;
use tracing::warn;

use crate::go_json;

pub(crate) type Response = http::Response<Full<Bytes>>;

/// A request that is not served, and in how many seconds another try makes sense.
pub(crate) struct Refusal {
    pub(crate) error: Error,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn after(error: Error, wait: Duration) -> Self {
        Refusal { error, retry_after: Some(wait.as_secs_f64().ceil().max(1.0) as u64) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let retry_after = (error.status == Status::Unavailable).then_some(1);
        Refusal { error, retry_after }
    }
}

pub(crate) fn empty(code: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = code;
    response
}

pub(crate) fn json(code: StatusCode, value: &impl Serialize) -> protocol::Result<Response> {
    Ok(typed(code, "application/json; charset=utf-8", go_json::bytes(value)?))
}

pub(crate) fn text(code: StatusCode, text: impl Into<Bytes>) -> Response {
    typed(code, "text/plain; charset=utf-8", text.into())
}

pub(crate) fn typed(code: StatusCode, media_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[derive(Serialize)]
struct Envelope<'e> {
    error: Outward<'e>,
}

/// In alphabetical order, as VoIPBIN sends it.
#[derive(Serialize)]
struct Outward<'e> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    details: &'e [Map<String, Value>],
    message: &'e str,
    reason: &'e str,
    request_id: &'e str,
    status: Status,
}

pub(crate) fn refused(refusal: &Refusal, request_id: &Arc<str>) -> Response {
    let error = &refusal.error;
    if let Some(cause) = &error.cause {
        warn!(%request_id, %error, cause, "request failed");
    }
    let outward = Outward {
        details: &error.details,
        message: &error.message,
        reason: &error.reason,
        request_id,
        status: error.status,
    };
    let code = StatusCode::from_u16(error.status.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(code, &Envelope { error: outward }).unwrap_or_else(|_| empty(code));
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
