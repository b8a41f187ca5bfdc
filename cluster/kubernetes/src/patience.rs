//! How long to wait after a failure: longer after each, and short again once it went well for a while.

use tokio::time::{Duration, Instant};

pub(crate) struct Patience {
    first: Duration,
    longest: Duration,
    next: Duration,
    failed: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Patience { first, longest, next: first, failed: None }
    }

    /// A quiet watch shows in nothing that it is well but in not failing.
    pub(crate) fn pause(&mut self) -> Duration {
        if self.failed.is_some_and(|failed| failed.elapsed() > self.longest * 2) {
            self.next = self.first;
        }
        self.failed = Some(Instant::now());
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }

    pub(crate) fn succeeded(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest() {
        let mut patience = Patience::new(Duration::from_millis(500), Duration::from_secs(4));
        let pauses: Vec<_> = (0..6).map(|_| patience.pause().as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 4000, 4000]);
        patience.succeeded();
        assert_eq!(patience.pause().as_millis(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_long_after_the_last_one_is_a_first_one() {
        let mut patience = Patience::new(Duration::from_millis(500), Duration::from_secs(4));
        let _ = (patience.pause(), patience.pause());
        advance(Duration::from_secs(9)).await;
        assert_eq!(patience.pause().as_millis(), 500);
    }
}
