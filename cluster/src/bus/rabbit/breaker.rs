//! The circuit breaker of a target queue: after failures in a row nothing is sent there for a while.
//!
//! Only lost transport counts. Whoever answers, also with a refusal, is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{Error, Result};
use tokio::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// The first pause, and the longest: a peer that restarts is back within a few seconds.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One request is out to see whether it works again.
    HalfOpen {
        pause: Duration,
    },
}

/// Says whether a request may go. Pure: the time is given.
#[derive(Debug)]
struct Breaker(State);

impl Default for Breaker {
    fn default() -> Self {
        Breaker(State::Closed { failures: 0 })
    }
}

impl Breaker {
    fn enter(&mut self, now: Instant) -> bool {
        match self.0 {
            State::Closed { .. } => true,
            State::Open { until, pause } if until <= now => {
                self.0 = State::HalfOpen { pause };
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.0, State::Closed { .. })
    }

    fn succeeded(&mut self) {
        self.0 = State::Closed { failures: 0 };
    }

    fn failed(&mut self, now: Instant) {
        self.0 = match self.0 {
            State::Closed { failures } if failures + 1 < FAILURES => State::Closed { failures: failures + 1 },
            State::Closed { .. } => State::Open { until: now + SHORTEST, pause: SHORTEST },
            State::HalfOpen { pause } => {
                let pause = (2 * pause).min(LONGEST);
                State::Open { until: now + pause, pause }
            }
            // sent before it opened
            State::Open { .. } => self.0,
        };
    }

    /// The request that was out was given up: the next one finds out.
    fn abandoned(&mut self, now: Instant) {
        if let State::HalfOpen { pause } = self.0 {
            self.0 = State::Open { until: now, pause };
        }
    }
}

/// The breakers of all queues that were asked.
#[derive(Default)]
pub(super) struct Breakers(Mutex<HashMap<String, Breaker>>);

impl Breakers {
    /// Lets a request pass, or refuses it at once. How it went must be told to the pass.
    pub(super) fn enter(self: &Arc<Self>, queue: &str) -> Result<Pass> {
        match self.all().entry(queue.to_owned()).or_default().enter(Instant::now()) {
            true => Ok(Pass { of: self.clone(), queue: queue.to_owned(), told: false }),
            false => Err(Error::lost(format!("{queue} does not answer; it is left alone for a moment"))),
        }
    }

    /// Closes all of them: the broker is there again.
    pub(super) fn reset(&self) {
        let mut all = self.all();
        all.clear();
        show(&all);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Breaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For those who watch: how many queues are left alone.
fn show(all: &HashMap<String, Breaker>) {
    let open = all.values().filter(|breaker| !breaker.is_closed()).count();
    metrics::gauge!("bus_breakers_open").set(open as f64);
}

/// A request under way. Dropped untold it was given up by its caller, which says nothing about the queue.
pub(super) struct Pass {
    of: Arc<Breakers>,
    queue: String,
    told: bool,
}

impl Pass {
    pub(super) fn tell<T>(mut self, outcome: &Result<T>) {
        self.told = true;
        let failed = matches!(outcome, Err(error) if error.is_lost() || error.is_timeout());
        let mut all = self.of.all();
        // absent after a reset: what failed then was sent over the connection that is gone
        let Some(breaker) = all.get_mut(&self.queue) else { return };
        let before = breaker.is_closed();
        match failed {
            true => breaker.failed(Instant::now()),
            false => breaker.succeeded(),
        }
        if breaker.is_closed() != before {
            show(&all);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.told
            && let Some(breaker) = self.of.all().get_mut(&self.queue)
        {
            breaker.abandoned(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn lost() -> Result<()> {
        Err(Error::lost("gone"))
    }

    fn fail(breakers: &Arc<Breakers>, times: u32) {
        (0..times).for_each(|_| breakers.enter("q").expect("a pass").tell(&lost()));
    }

    fn is_open(breakers: &Arc<Breakers>) -> bool {
        breakers.enter("q").is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_five_failures_in_a_row() {
        let breakers = Arc::new(Breakers::default());
        fail(&breakers, FAILURES - 1);
        breakers.enter("q").expect("a pass").tell(&Ok(()));
        fail(&breakers, FAILURES - 1);
        breakers.enter("q").expect("a pass").tell::<()>(&Err(Error::not_found()));
        fail(&breakers, FAILURES);
        assert!(breakers.enter("q").err().expect("refused").is_lost());
        assert!(breakers.enter("other").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn its_pause_grows_from_one_to_four_seconds_with_one_request_between() {
        let breakers = Arc::new(Breakers::default());
        fail(&breakers, FAILURES);
        for pause in [1, 2, 4, 4] {
            advance(Duration::from_millis(pause * 1000 - 1)).await;
            assert!(is_open(&breakers), "{pause}");
            advance(Duration::from_millis(1)).await;
            let probe = breakers.enter("q").expect("the one that finds out");
            assert!(is_open(&breakers), "one at a time");
            probe.tell(&lost());
        }
        advance(LONGEST).await;
        breakers.enter("q").expect("the one that finds out").tell(&Ok(()));
        fail(&breakers, FAILURES - 1);
        assert!(!is_open(&breakers), "it counts from zero again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_given_up_does_not_leave_it_half_open() {
        let breakers = Arc::new(Breakers::default());
        fail(&breakers, FAILURES);
        advance(SHORTEST).await;
        drop(breakers.enter("q").expect("the one that finds out"));
        assert!(!is_open(&breakers), "the next one finds out");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_requests_from_before_it_opened_do_not_prolong_it() {
        let breakers = Arc::new(Breakers::default());
        let early: Vec<_> = (0..9).map(|_| breakers.enter("q").expect("a pass")).collect();
        early.into_iter().for_each(|pass| pass.tell(&lost()));
        assert!(is_open(&breakers));
        advance(SHORTEST).await;
        assert!(!is_open(&breakers));
    }

    #[tokio::test(start_paused = true)]
    async fn it_closes_when_the_broker_is_back() {
        let breakers = Arc::new(Breakers::default());
        fail(&breakers, FAILURES - 1);
        let before = breakers.enter("q").expect("a pass");
        fail(&breakers, 1);
        assert!(is_open(&breakers));
        breakers.reset();
        before.tell(&lost());
        fail(&breakers, FAILURES - 1);
        assert!(!is_open(&breakers));
    }
}
