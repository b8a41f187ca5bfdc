//! Traces over OTLP (gRPC), for collectors of OpenTelemetry: every span of level info and each question to a domain,
//! log lines as their events.
//!
//! What cannot be delivered is dropped: nothing waits for a collector. `OTEL_*` variables (sampling, limits of
//! batches) hold as the specification says.

use std::collections::HashMap;
use std::sync::Mutex;

use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::transport::ClientTlsConfig;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::trace::Traces;

const SERVICE: &str = "branchline";
/// Where questions to domains and followers of facts have their spans, which are finer than what is logged.
const FINER: [&str; 2] = ["actors::kernel::pool", "actors::kernel::follow"];
const TRACEPARENT: &str = "traceparent";

/// What is exported with, until the process ends.
static PROVIDER: Mutex<Option<SdkTracerProvider>> = Mutex::new(None);

/// Spans of this process go to `endpoint` from now on. Called on the runtime that sends them.
pub(super) fn export(endpoint: &str, node: &str) -> Result<Traces, String> {
    let mut exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
    if endpoint.starts_with("https:") {
        exporter = exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
    }
    let exporter = exporter.build().map_err(|error| format!("--otlp-endpoint: {error}"))?;
    let resource = Resource::builder()
        .with_service_name(SERVICE)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", node.to_owned()))
        .build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(SERVICE)).with_threads(false);
    if let Ok(mut current) = PROVIDER.lock() {
        *current = Some(provider);
    }
    let spans =
        Targets::new().with_default(LevelFilter::INFO).with_targets(FINER.map(|of| (of, LevelFilter::DEBUG)));
    Ok(layer.with_filter(spans).boxed())
}

/// Sends what is left. Blocks, so that it is not for a thread of the runtime.
pub(super) fn stop() {
    let provider = PROVIDER.lock().ok().and_then(|mut provider| provider.take());
    if let Some(Err(error)) = provider.map(|provider| provider.shutdown()) {
        tracing::warn!(%error, "the last traces were not delivered");
    }
}

/// The span that is entered now, as W3C's `traceparent`.
pub(super) fn here() -> String {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    match span.is_valid() {
        true => format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()),
        false => String::new(),
    }
}

/// Whatever is no `traceparent` begins a trace of its own.
pub(super) fn adopt(span: &Span, traceparent: &str) {
    let carried = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let parent = TraceContextPropagator::new().extract(&carried);
    if parent.span().span_context().is_valid() {
        // a span that nobody records has no parent either
        let _ = span.set_parent(parent);
    }
}
