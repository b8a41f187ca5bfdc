//! Traces as a collector of OpenTelemetry gets them.

#![allow(clippy::unwrap_used, reason = "a test fails where it is wrong")]
#![allow(clippy::disallowed_methods, reason = "a test joins what it spawns")]

#[path = "../it/api.rs"]
#[allow(dead_code, reason = "other tests do more with it")]
mod api;
#[path = "../lines/ask.rs"]
mod ask;
#[path = "../it/pair.rs"]
#[allow(dead_code, reason = "other tests do more with it")]
mod pair;
#[path = "../it/platform.rs"]
#[allow(dead_code, reason = "other tests do more with it")]
mod platform;

use std::collections::BTreeSet;
use std::io::sink;

use ask::post;
use cluster::telemetry::logs::{self, Format};
use cluster::telemetry::trace;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use pair::Pair;
use platform::{HERE, PATIENCE, free_port};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// The trace and the span of a client that we are asked by.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

struct Collector(mpsc::UnboundedSender<Span>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let all = request.into_inner().resource_spans.into_iter();
        let spans = all.flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
        spans.for_each(|span| drop(self.0.send(span)));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_passes_two_nodes_is_one_trace_which_its_client_began() {
    let (seen, mut spans) = mpsc::unbounded_channel();
    let address = std::net::SocketAddr::new(HERE, free_port());
    let collector = Server::builder().add_service(TraceServiceServer::new(Collector(seen))).serve(address);
    let collector = tokio::spawn(collector);
    let traces = trace::export(Some(&format!("http://{address}")), "it").unwrap();
    logs::start_to(sink, ("warn", Format::Json), "it", traces).unwrap();
    let pair = Pair::start().await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    post(&pair.near, "tags", &[("traceparent", parent.as_str())], json!({"name": "vip"})).await;
    pair.stop().await;

    tokio::task::spawn_blocking(trace::stop).await.unwrap();
    let mut missing = BTreeSet::from(["request", "bus_ask", "bus_serve", "domain"]);
    let mut ours = Vec::new();
    let all_there = async {
        while !missing.is_empty() {
            let span = spans.recv().await.unwrap();
            if hex(&span.trace_id) == TRACE {
                missing.remove(span.name.as_str());
                ours.push(span);
            }
        }
    };
    timeout(PATIENCE, all_there).await.expect("every span arrives");
    let of = |name: &str| ours.iter().find(|span| span.name == name).unwrap();
    assert_eq!(hex(&of("request").parent_span_id), PARENT);
    assert_eq!(of("bus_serve").parent_span_id, of("bus_ask").span_id);
    collector.abort();
}
