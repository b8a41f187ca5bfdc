//! The page and what it is made of, out of the program itself: nothing is loaded from anywhere else.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};

/// Scripts and styles of our own files only, and no page around this one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const PAGE: &str = include_str!("index.html");

const FILES: [(&str, &str, &str); 10] = [
    ("style.css", CSS, include_str!("style.css")),
    ("icon.svg", SVG, include_str!("icon.svg")),
    ("main.js", JS, include_str!("main.js")),
    ("element.js", JS, include_str!("element.js")),
    ("nodes.js", JS, include_str!("nodes.js")),
    ("tree.js", JS, include_str!("tree.js")),
    ("tables.js", JS, include_str!("tables.js")),
    ("tail.js", JS, include_str!("tail.js")),
    ("act.js", JS, include_str!("act.js")),
    ("fault.js", JS, include_str!("fault.js")),
];

pub(super) async fn page() -> Response {
    served(HTML, PAGE)
}

pub(super) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => served(kind, text),
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
}

fn served(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let fixed: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // the next version of the program has other files under these names
        (CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in fixed {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
