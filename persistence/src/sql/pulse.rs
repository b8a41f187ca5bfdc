//! Whether the database says anything at all. One that stands still, its connections open, would hold every caller
//! up for as long as a slow statement may take; one slow statement beside others that are answered is no silence.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant, sleep};

/// Whoever asks hears of an outage within two seconds. Nodes that share a database ask it twice a second anyway.
const SILENT: Duration = Duration::from_millis(1500);

struct Beat {
    /// Questions without an answer.
    open: usize,
    /// Of the last answer, or of the first question after all had been answered.
    last: Instant,
}

#[derive(Clone)]
pub(crate) struct Pulse(Arc<Mutex<Beat>>);

/// A question. Dropped without an answer it was given up.
pub(super) struct Asked(Pulse);

impl Default for Pulse {
    fn default() -> Self {
        Pulse(Arc::new(Mutex::new(Beat { open: 0, last: Instant::now() })))
    }
}

impl Pulse {
    pub(super) fn ask(&self) -> Asked {
        let mut beat = self.lock();
        if beat.open == 0 {
            beat.last = Instant::now();
        }
        beat.open += 1;
        Asked(self.clone())
    }

    /// Resolves when questions are open and none was answered for a while.
    pub(super) async fn stops(&self) {
        loop {
            let quiet = {
                let beat = self.lock();
                if beat.open == 0 { Duration::ZERO } else { beat.last.elapsed() }
            };
            match SILENT.checked_sub(quiet) {
                Some(left) if !left.is_zero() => sleep(left).await,
                Some(_) | None => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    /// Whatever was said, the database is there.
    pub(super) fn answered(self) {
        self.0.lock().last = Instant::now();
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.lock().open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    async fn has_stopped(pulse: &Pulse) -> bool {
        timeout(MOMENT, pulse.stops()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_many_questions_and_no_answer() {
        let pulse = Pulse::default();
        advance(2 * SILENT).await;
        assert!(!has_stopped(&pulse).await, "nobody asks");
        let (first, second) = (pulse.ask(), pulse.ask());
        advance(SILENT / 2).await;
        second.answered();
        advance(SILENT / 2).await;
        assert!(!has_stopped(&pulse).await, "another was answered meanwhile");
        advance(SILENT).await;
        assert!(has_stopped(&pulse).await);
        drop(first);
        let _again = pulse.ask();
        assert!(!has_stopped(&pulse).await, "each waits for itself");
    }
}
