//! What is looked at again and again is looked at together: thirty queues cost one wake of the process then, and not
//! thirty.

use std::sync::LazyLock;

use tokio::time::{Duration, Instant, sleep_until};

/// How long from one to the next.
const BEAT: Duration = Duration::from_millis(250);

static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Waits for the next beat of the process.
pub(super) async fn beat() {
    beats(1).await;
}

/// Waits for the next one whose number `every` divides.
pub(super) async fn beats(every: u32) {
    sleep_until(next(*FIRST, Instant::now(), BEAT * every)).await;
}

fn next(first: Instant, now: Instant, each: Duration) -> Instant {
    let past = now.saturating_duration_since(first).as_nanos() / each.as_nanos().max(1);
    first + each * u32::try_from(past + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_wait_in_one_span_wake_at_its_end() {
        let (first, each) = (Instant::now(), Duration::from_millis(100));
        for (past, at) in [(0, 100), (1, 100), (99, 100), (100, 200), (250, 300)] {
            let now = first + Duration::from_millis(past);
            assert_eq!(next(first, now, each), first + Duration::from_millis(at), "{past}");
        }
    }
}
