//! What a domain's requests cost: how many, how they ended, how long they took. Operators see it per domain.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::{Result, Status};
use tokio::time::Instant;

/// Has the work done, and notes how it went.
pub(super) async fn noted<T>(domain: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let begun = Instant::now();
    let done = work.await;
    let result = match &done {
        Ok(_) => "ok",
        Err(error) => ending(error.status),
    };
    metrics::histogram!("domain_request_duration_seconds", "domain" => domain, "result" => result)
        .record(begun.elapsed());
    done
}

/// Whose fault it is: what the caller asked for, or that the platform could not do it.
const fn ending(status: Status) -> &'static str {
    match status {
        Status::Unavailable | Status::Internal => "failed",
        Status::InvalidArgument
        | Status::Unauthenticated
        | Status::PaymentRequired
        | Status::PermissionDenied
        | Status::NotFound
        | Status::AlreadyExists
        | Status::FailedPrecondition
        | Status::ResourceExhausted => "refused",
    }
}

/// How many are inside at the moment. A clone counts the same.
#[derive(Clone, Default)]
pub(super) struct Inside(Arc<AtomicUsize>);

/// One of them; leaving is dropping it.
pub(super) struct Visit(Inside);

impl Inside {
    pub(super) fn enter(&self) -> Visit {
        self.0.fetch_add(1, Ordering::Relaxed);
        Visit(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
