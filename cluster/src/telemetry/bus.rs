//! A bus that counts what passes it, and takes a request's correlation id from the wire into the log.
//!
//! Every method of the port must be passed on here, also those that the port has an answer for.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::ports::{Bus, Serve, Subscribe, Subscription};
use protocol::{Event, Result, sock};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tracing::field::display;
use tracing::{Instrument as _, info_span};

use super::trace;

struct Counted {
    bus: Arc<dyn Bus>,
    confirmed: metrics::Counter,
    failed: metrics::Counter,
    took: metrics::Histogram,
}

pub(crate) fn counted(bus: Arc<dyn Bus>) -> Arc<dyn Bus> {
    let published = |result: &'static str| {
        let counter = metrics::counter!("bus_published_total", "result" => result);
        // known before it happens, so that the first one is seen as a rise
        counter.increment(0);
        counter
    };
    let (confirmed, failed) = (published("confirmed"), published("failed"));
    Arc::new(Counted { bus, confirmed, failed, took: metrics::histogram!("bus_publish_duration_seconds") })
}

/// The domain in the name of a queue: `bin-manager.<domain>.request`, with a node's name behind it or not.
fn domain(queue: &str) -> String {
    queue.split('.').nth(1).unwrap_or("unknown").to_owned()
}

#[async_trait]
impl Bus for Counted {
    async fn declare(&self, publishers: &[&str], subscriptions: &[Subscription]) -> Result<()> {
        self.bus.declare(publishers, subscriptions).await
    }

    async fn publish(&self, event: Arc<Event>) -> Result<()> {
        let since = Instant::now();
        let done = self.bus.publish(event).await;
        if done.is_ok() { &self.confirmed } else { &self.failed }.increment(1);
        self.took.record(since.elapsed());
        done
    }

    async fn ask(&self, queue: &str, mut request: sock::Request) -> Result<sock::Response> {
        let (since, domain) = (Instant::now(), domain(queue));
        let span = info_span!("bus_ask", to = domain, method = request.method, uri = request.uri);
        request.traceparent = span.in_scope(trace::here);
        let done = self.bus.ask(queue, request).instrument(span).await;
        let result = match &done {
            Ok(response) => response.status_code.to_string(),
            Err(error) => error.status.http().to_string(),
        };
        metrics::counter!("bus_asks_total", "domain" => domain.clone(), "status" => result).increment(1);
        metrics::histogram!("bus_ask_duration_seconds", "domain" => domain).record(since.elapsed());
        done
    }

    async fn serve(&self, queue: &str, server: Arc<dyn Serve>) -> Result<Box<dyn Send + Sync>> {
        let served = metrics::counter!("bus_served_total", "domain" => domain(queue));
        self.bus.serve(queue, Arc::new(Server { server, served })).await
    }

    async fn subscribe(
        &self,
        to: &Subscription,
        subscriber: Arc<dyn Subscribe>,
    ) -> Result<Box<dyn Send + Sync>> {
        self.bus.subscribe(to, subscriber).await
    }

    async fn watch(&self) -> Result<broadcast::Receiver<Arc<Event>>> {
        self.bus.watch().await
    }

    async fn health(&self) -> Result<()> {
        self.bus.health().await
    }

    async fn served_since(&self, queue: &str) -> Result<Instant> {
        self.bus.served_since(queue).await
    }
}

struct Server {
    server: Arc<dyn Serve>,
    served: metrics::Counter,
}

#[async_trait]
impl Serve for Server {
    async fn ready(&self) {
        self.server.ready().await;
    }

    fn is_well(&self) -> bool {
        self.server.is_well()
    }

    /// What the asker knows of the request comes over the wire alone, also between nodes of one process.
    async fn serve(&self, request: sock::Request) -> sock::Response {
        self.served.increment(1);
        let (request_id, customer) = (&*request.request_id, request.customer_id.map(display));
        let span = info_span!(
            parent: None, "bus_serve", request_id, customer, from = request.publisher, method = request.method,
            uri = request.uri,
        );
        trace::adopt(&span, &request.traceparent);
        self.server.serve(request).instrument(span).await
    }
}

#[cfg(test)]
mod tests {
    use super::domain;

    #[test]
    fn a_queue_is_counted_by_its_domain_and_not_by_its_node() {
        assert_eq!(domain("bin-manager.call-manager.request"), "call-manager");
        assert_eq!(domain("bin-manager.call-manager.request.node-7"), "call-manager");
        assert_eq!(domain("else"), "unknown");
    }
}
