//! `/auth/*`: routes at the root, without credentials. As VoIPBIN has it, failures are a bare 400.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use protocol::Status;
use serde::{Deserialize, Serialize};

use crate::response::{Refusal, Response, empty, json};
use crate::{Authority, limit::Limiter};

/// Routes of VoIPBIN's contract that are not served: 404 `ROUTE_NOT_FOUND`. The list may only shrink.
pub const UNSERVED: &[(&str, &str)] = &[
    ("POST", "/auth/boot"),
    ("POST", "/auth/signup"),
    ("POST", "/auth/email-verify"),
    ("GET", "/auth/email-verify"),
    ("POST", "/auth/password-forgot"),
    ("GET", "/auth/password-reset"),
    ("POST", "/auth/password-reset"),
    ("POST", "/auth/unregister"),
    ("DELETE", "/auth/unregister"),
    ("POST", "/auth/delegate"),
];

#[derive(Deserialize)]
struct Form {
    username: String,
    password: String,
}

#[derive(Serialize)]
struct Welcome<'w> {
    username: &'w str,
    token: &'w str,
}

pub(crate) async fn login(
    authority: &Authority,
    limiter: &Limiter,
    body: &[u8],
    request_id: &Arc<str>,
) -> Result<Response, Refusal> {
    let Ok(Form { username, password }) = serde_json::from_slice(body) else {
        return Ok(empty(StatusCode::BAD_REQUEST));
    };
    limiter.username(&username).await?;
    let token = match authority.login(&username, password, request_id).await {
        Ok(token) => token,
        Err(error) if matches!(error.status, Status::Unavailable | Status::Internal) => {
            return Err(error.into());
        }
        Err(_) => return Ok(empty(StatusCode::BAD_REQUEST)),
    };
    let mut response = json(StatusCode::OK, &Welcome { username: &username, token: &token })?;
    let life = crate::token::LIFE.num_seconds();
    let cookie = format!("token={token}; Max-Age={life}; Path=/; Secure; HttpOnly; SameSite=Strict");
    let cookie = HeaderValue::try_from(cookie).map_err(protocol::Error::internal)?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
