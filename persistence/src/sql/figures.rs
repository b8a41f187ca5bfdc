//! What the store counts of its own work. The handles are looked up once.

use metrics::{Counter, Histogram, counter, histogram};
use protocol::Result;
use tokio::time::Instant;

use super::failure::Failure;

/// Of the writer.
pub(super) struct Commits {
    stored: Counter,
    refused: Counter,
    failed: Counter,
    durations: Histogram,
    units: Histogram,
}

impl Default for Commits {
    fn default() -> Self {
        let commits = |result: &'static str| counter!("store_commits_total", "result" => result);
        Commits {
            stored: commits("stored"),
            refused: commits("refused"),
            failed: commits("failed"),
            durations: histogram!("store_commit_duration_seconds"),
            units: histogram!("store_commit_units"),
        }
    }
}

impl Commits {
    /// One transaction of `units`. One that was refused for a single unit of it is tried again without.
    pub(super) fn ended(&self, since: Instant, units: usize, outcome: &Result<Vec<Result<()>>, Failure>) {
        match outcome {
            Ok(answers) if answers.iter().any(Result::is_ok) => self.stored.increment(1),
            Ok(_) => self.refused.increment(1),
            Err(failure) if failure.is_refusal() => self.refused.increment(1),
            Err(_) => self.failed.increment(1),
        }
        self.durations.record(since.elapsed());
        self.units.record(units as f64);
    }
}

/// Of the readers.
pub(super) struct Reads {
    durations: Histogram,
    failed: Counter,
}

impl Default for Reads {
    fn default() -> Self {
        Reads {
            durations: histogram!("store_read_duration_seconds"),
            failed: counter!("store_read_failures_total"),
        }
    }
}

impl Reads {
    /// The wait for a connection counts: whoever reads has to wait, too.
    pub(super) fn ended<T>(&self, since: Instant, outcome: &Result<T>) {
        self.durations.record(since.elapsed());
        self.failed.increment(u64::from(outcome.is_err()));
    }
}
