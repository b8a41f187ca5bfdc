//! What a domain counts of its requests and its facts. Handles are looked up once: counting is an addition.
//!
//! Labels are names of domains and statuses, never ids: what a label can be must be known beforehand.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use protocol::ports::{Clock as _, SystemClock};
use protocol::{Event, Result, Status};
use tokio::time::Instant;
use tracing::{Span, debug};

/// How a request can end, as HTTP would say it.
const STATUSES: [(Option<Status>, &str); 11] = [
    (None, "200"),
    (Some(Status::InvalidArgument), "400"),
    (Some(Status::Unauthenticated), "401"),
    (Some(Status::PaymentRequired), "402"),
    (Some(Status::PermissionDenied), "403"),
    (Some(Status::NotFound), "404"),
    (Some(Status::AlreadyExists), "409"),
    (Some(Status::FailedPrecondition), "409"),
    (Some(Status::ResourceExhausted), "429"),
    (Some(Status::Unavailable), "503"),
    (Some(Status::Internal), "500"),
];

/// Whose fault an end is: nobody's, that of what was asked for, or the platform's.
const ENDINGS: [&str; 3] = ["ok", "refused", "failed"];

pub(super) struct Figures {
    answers: [(Option<Status>, Counter); STATUSES.len()],
    durations: [Histogram; ENDINGS.len()],
    waiting: Gauge,
    lags: Histogram,
    retries: Counter,
    dead: Counter,
}

impl Figures {
    pub(super) fn new(domain: &'static str, credits: usize) -> Self {
        gauge!("domain_credits", "domain" => domain).set(credits as f64);
        // known before it happens, so that the first one is seen as a rise
        counter!("requests_refused_total", "domain" => domain).increment(0);
        Figures {
            answers: STATUSES.map(|(status, code)| {
                (status, counter!("domain_requests_total", "domain" => domain, "status" => code))
            }),
            durations: ENDINGS.map(
                |result| histogram!("domain_request_duration_seconds", "domain" => domain, "result" => result),
            ),
            waiting: gauge!("domain_queue_depth", "domain" => domain),
            lags: histogram!("follower_lag_seconds", "domain" => domain),
            retries: counter!("follower_failures_total", "domain" => domain),
            dead: counter!("dead_events_total", "domain" => domain),
        }
    }

    pub(super) fn answered<T>(&self, span: &Span, since: Instant, outcome: &Result<T>) {
        let status = outcome.as_ref().err().map(|error| error.status);
        if let Some((_, counter)) = self.answers.iter().find(|(known, _)| *known == status) {
            counter.increment(1);
        }
        let took = since.elapsed();
        self.durations[status.map_or(0, ending)].record(took);
        debug!(parent: span, ?status, duration_ms = took.as_secs_f64() * 1e3, "request answered");
    }

    /// Something has entered the queue, until what is returned is dropped.
    pub(super) fn waits(&self) -> Queued {
        self.waiting.increment(1);
        Queued { waiting: self.waiting.clone(), span: Span::current() }
    }

    /// A follower has taken an event. Events of VoIPBIN's services do not say when they happened.
    pub(super) fn taken(&self, event: &Event) {
        let age = protocol::time::parse(&event.time).map(|at| SystemClock.now() - at);
        if let Some(Ok(age)) = age.map(|age| age.to_std()) {
            self.lags.record(age);
        }
    }

    pub(super) fn retried(&self) {
        self.retries.increment(1);
    }

    pub(super) fn set_aside(&self) {
        self.dead.increment(1);
    }
}

/// Its place among [`ENDINGS`].
const fn ending(status: Status) -> usize {
    match status {
        Status::Unavailable | Status::Internal => 2,
        Status::InvalidArgument
        | Status::Unauthenticated
        | Status::PaymentRequired
        | Status::PermissionDenied
        | Status::NotFound
        | Status::AlreadyExists
        | Status::FailedPrecondition
        | Status::ResourceExhausted => 1,
    }
}

/// A place in a queue, with the span of what waits: whoever takes it out is in that of something else.
pub(super) struct Queued {
    waiting: Gauge,
    span: Span,
}

impl Queued {
    pub(super) fn begun(self) -> Span {
        self.span.clone()
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.waiting.decrement(1);
    }
}
