//! Asking again when the transport was lost: only what changes nothing, and never after an answer.

use protocol::{Error, Result};
use tokio::time::{Duration, Instant, sleep_until};

/// At once for a connection that had just died; then as long as a broker takes to come back.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Asks, and when that is lost and `again` is allowed, asks again while there is time before the deadline.
/// The caller of the platform need not know of transports: what stays lost is `Unavailable`.
pub(crate) async fn patiently<T, F: Future<Output = Result<T>>>(
    again: bool,
    deadline: Instant,
    ask: impl Fn() -> F,
) -> Result<T> {
    let mut outcome = ask().await;
    for pause in PAUSES.iter().filter(|_| again) {
        let next = Instant::now() + *pause;
        if next >= deadline || !matches!(&outcome, Err(error) if error.is_lost()) {
            break;
        }
        sleep_until(next).await;
        outcome = ask().await;
    }
    outcome.map_err(|error| match error.is_lost() {
        true => Error::unavailable(error.message),
        false => error,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Fails so many times; how often it was asked, after how long, and what came out.
    async fn tried(
        again: bool,
        seconds: u64,
        failures: u32,
        failure: fn() -> Error,
    ) -> (u32, u64, Result<()>) {
        let (asked, began) = (AtomicU32::new(0), Instant::now());
        let ask = || async {
            if asked.fetch_add(1, Ordering::SeqCst) < failures { Err(failure()) } else { Ok(()) }
        };
        let outcome = patiently(again, began + Duration::from_secs(seconds), ask).await;
        (asked.load(Ordering::SeqCst), began.elapsed().as_secs(), outcome)
    }

    fn lost() -> Error {
        Error::lost("gone")
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_nothing_is_asked_again_after_0_1_2_4_and_8_seconds() {
        for (failures, asked, after) in [(0, 1, 0), (1, 2, 0), (2, 3, 1), (3, 4, 3), (4, 5, 7), (5, 6, 15)] {
            let (times, seconds, outcome) = tried(true, 30, failures, lost).await;
            assert_eq!((times, seconds), (asked, after));
            outcome.expect("answered in the end");
        }
        let (times, seconds, outcome) = tried(true, 30, 99, lost).await;
        assert_eq!((times, seconds), (6, 15));
        let error = outcome.expect_err("it stays away");
        assert_eq!((error.status, &*error.reason), (protocol::Status::Unavailable, "SERVICE_UNAVAILABLE"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_it() {
        let (times, seconds, outcome) = tried(true, 5, 99, lost).await;
        assert_eq!((times, seconds), (4, 3));
        outcome.expect_err("too late for the next one");
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_something_is_asked_once() {
        let (times, _, outcome) = tried(false, 30, 1, lost).await;
        assert_eq!(times, 1);
        assert_eq!(outcome.expect_err("lost").reason, "SERVICE_UNAVAILABLE");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_an_answer() {
        for refusal in [|| Error::unavailable("nobody serves it"), Error::not_found, Error::timeout] {
            assert_eq!(tried(true, 30, 1, refusal).await.0, 1);
        }
    }
}
