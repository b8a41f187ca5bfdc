//! From the bytes of a request to its response: what every bus does on the serving side.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use protocol::ports::Serve;
use protocol::request::TIMEOUT;
use protocol::{Error, Result, sock};
use tokio::time::{Duration, Instant};

/// The longest wait that a request may ask for, as `sock::Request::decode` grants it.
pub(super) const LONGEST: Duration = Duration::from_secs(4 * TIMEOUT.as_secs());

/// How long a request may wait for its reply.
pub(super) fn patience(timeout_ms: Option<u64>) -> Duration {
    timeout_ms.map_or(TIMEOUT, Duration::from_millis).min(LONGEST)
}

/// What cannot be read is refused, and a panic costs its own request only, never the consumer.
pub(super) async fn answer(bytes: &[u8], until: Instant, server: Arc<dyn Serve>) -> sock::Response {
    match read(bytes) {
        Ok(request) => answer_read(request, until, server).await,
        Err(error) => Err(error).into(),
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<sock::Request> {
    serde_json::from_slice(bytes).map_err(|error| Error::invalid(error.to_string()))
}

pub(super) async fn answer_read(
    request: sock::Request,
    until: Instant,
    server: Arc<dyn Serve>,
) -> sock::Response {
    let request = in_time(request, until);
    let response = AssertUnwindSafe(server.serve(request)).catch_unwind().await;
    response.unwrap_or_else(|_| Err(Error::internal("the server panicked")).into())
}

/// The time left is what was left when it was sent, less its wait in the queue.
fn in_time(mut request: sock::Request, until: Instant) -> sock::Request {
    let left = until.saturating_duration_since(Instant::now()).as_millis();
    let left = u64::try_from(left).unwrap_or(u64::MAX);
    request.timeout_ms = request.timeout_ms.map(|_| left);
    request
}
