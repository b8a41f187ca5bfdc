//! Traces that go on beyond this process, in W3C's `traceparent`. Without the feature `otel` there are none.

use tracing::Span;
use tracing_subscriber::{Layer, Registry};

/// Where spans go, beside the log.
pub type Traces = Box<dyn Layer<Registry> + Send + Sync>;

/// What takes the spans of this process to a collector, if one is named.
pub fn export(endpoint: Option<&str>, node: &str) -> Result<Option<Traces>, String> {
    endpoint.map(|endpoint| start(endpoint, node)).transpose()
}

#[cfg(feature = "otel")]
use super::otel::export as start;

#[cfg(not(feature = "otel"))]
fn start(_: &str, _: &str) -> Result<Traces, String> {
    Err("--otlp-endpoint: this program was built without it; build it with --features otel".to_owned())
}

/// Sends what is left, before the process ends. Blocks.
pub fn stop() {
    #[cfg(feature = "otel")]
    super::otel::stop();
}

/// What the next process is told of the span that is entered now. Empty when nothing is exported.
pub(super) fn here() -> String {
    #[cfg(feature = "otel")]
    return super::otel::here();
    #[cfg(not(feature = "otel"))]
    String::new()
}

/// Makes a span that was not entered yet a part of the trace that somebody else began.
pub(crate) fn adopt(span: &Span, traceparent: &str) {
    #[cfg(feature = "otel")]
    super::otel::adopt(span, traceparent);
    #[cfg(not(feature = "otel"))]
    let _ = (span, traceparent);
}

#[cfg(all(test, not(feature = "otel")))]
mod tests {
    #[test]
    fn a_program_that_cannot_send_traces_says_how_to_get_one_that_can() {
        assert!(matches!(super::export(None, "n1"), Ok(None)));
        let refused = super::export(Some("http://127.0.0.1:4317"), "n1").err();
        assert!(refused.is_some_and(|why| why.ends_with("build it with --features otel")));
    }
}
