//! Who looks at the console: whoever has shown the token, for some hours.
//!
//! A browser cannot send a header with an event stream, so it shows a cookie: signed, expiring, unreadable for
//! scripts and never sent from another site. What changes something is also refused unless it comes from the page
//! itself. A program may show the token in a header instead of all that.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::time::Duration;

use super::Parts;
use super::answer::{answer, body, refuse};
use crate::admin::{Gate, Peer, refused};

const NAME: &str = "branchline_console";
/// A working day.
const HOURS: i64 = 8;
/// Longer than any connection lasts.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

#[derive(Deserialize)]
struct SignIn {
    token: String,
}

/// Takes the token once, and gives a cookie for it.
pub(super) async fn begin(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    if !is_same_origin(&request) {
        return foreign();
    }
    let is_secure = Peer::of(request.extensions()).is_encrypted;
    let shown: SignIn = match body(request).await {
        Ok(shown) => shown,
        Err(error) => return answer(Err::<(), _>(error)),
    };
    if !parts.gate.opens(shown.token.as_bytes()) {
        refused();
        return refuse(StatusCode::UNAUTHORIZED, "that is not the node's admin token");
    }
    let until = chrono::Utc::now().timestamp() + HOURS * 3600;
    cookie(&parts.gate.session(until), HOURS * 3600, is_secure)
}

/// Forgets the cookie.
pub(super) async fn end(request: Request) -> Response {
    if is_same_origin(&request) { cookie("", 0, false) } else { foreign() }
}

fn cookie(value: &str, seconds: i64, is_secure: bool) -> Response {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{NAME}={value}; Path=/console; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut response = answer(Ok(serde_json::json!({})));
    if let Ok(text) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(SET_COOKIE, text);
    }
    response
}

/// Lets in whoever may look, for so long: a token or a certificate is shown with every request, a session ends.
///
/// # Errors
/// The answer for everybody else.
pub(super) fn look(gate: &Gate, request: &Request) -> Result<Duration, Box<Response>> {
    let now = chrono::Utc::now().timestamp();
    let is_known = match request.headers().get(AUTHORIZATION) {
        Some(shown) => gate.admits_header(shown.as_bytes()),
        None => false,
    };
    if is_known || Peer::of(request.extensions()).is_known {
        return Ok(FOR_EVER);
    }
    let session = session(request.headers()).filter(|_| !request.headers().contains_key(AUTHORIZATION));
    if let Some(left) = session.and_then(|session| gate.continues(session, now)) {
        return Ok(Duration::from_secs(left));
    }
    refused();
    Err(Box::new(refuse(StatusCode::UNAUTHORIZED, "sign in with the node's admin token")))
}

/// As [`look`], for what changes something.
///
/// # Errors
/// The answer for everybody else.
pub(super) fn change(gate: &Gate, request: &Request) -> Result<(), Box<Response>> {
    look(gate, request)?;
    // no other site can make a browser send the token itself
    if request.headers().contains_key(AUTHORIZATION) || is_same_origin(request) {
        return Ok(());
    }
    refused();
    Err(Box::new(foreign()))
}

fn foreign() -> Response {
    refuse(StatusCode::FORBIDDEN, "the request comes from another site than the console")
}

fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let mut pairs = cookies.flat_map(|cookie| cookie.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == NAME).map(|(_, value)| value.trim())
}

/// Browsers name the origin of everything that changes something. Who names none is none of the page.
fn is_same_origin(request: &Request) -> bool {
    let host = request.uri().authority().map(|authority| authority.as_str());
    let host = host.or_else(|| request.headers().get(HOST)?.to_str().ok());
    let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let origin = origin.and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    origin.is_some() && origin == host
}
