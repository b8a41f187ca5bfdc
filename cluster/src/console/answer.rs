//! Answers of the console as JSON, and errors as a message for a person.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use protocol::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::warn;

/// A request of the page is a token or a path, nothing larger.
const LARGEST: usize = 16 * 1024;

pub(super) fn answer(result: Result<impl Serialize>) -> Response {
    match result.and_then(|value| serde_json::to_vec(&value).map_err(Error::internal)) {
        Ok(bytes) => typed(StatusCode::OK, "application/json", bytes),
        Err(error) => {
            let status = StatusCode::from_u16(error.status.http()).unwrap_or_default();
            if let Some(cause) = &error.cause {
                warn!(%cause, "operator's request failed");
            }
            refuse(status, &error.message)
        }
    }
}

pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    typed(status, "application/json", json!({"message": message}).to_string().into_bytes())
}

/// Nothing of it is kept by a browser or a proxy.
pub(super) fn typed(status: StatusCode, kind: &'static str, bytes: impl Into<Body>) -> Response {
    let mut response = (status, bytes.into()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The body of a request as JSON.
pub(super) async fn body<T: DeserializeOwned>(request: Request) -> Result<T> {
    let bytes = to_bytes(request.into_body(), LARGEST).await;
    let bytes = bytes.map_err(|_| Error::invalid("the body is too large or was cut off"))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::invalid(format!("the body: {error}")))
}
