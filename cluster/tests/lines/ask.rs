//! A request with headers of its own.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::platform::Platform;

/// A POST of the first customer with headers of its own; the body of the answer.
pub(crate) async fn post(platform: &Platform, path: &str, headers: &[(&str, &str)], body: Value) -> Value {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let uri = format!("http://{}/v1.0/{path}", platform.http);
    let key = format!("Bearer {}", platform.welcome.accesskey);
    let request = http::Request::post(uri).header("authorization", key);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = client.request(request.body(Full::<Bytes>::from(body.to_string())).unwrap()).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(status.is_success(), "{path}: {status} {bytes:?}");
    serde_json::from_slice(&bytes).unwrap()
}
