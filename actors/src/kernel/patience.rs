//! Loops that outlast a store or a bus that is away for a while.
//!
//! Such a loop must not fail: its supervisor would spend its budget within a second and end the node, and
//! with it calls that need no store at all.

use protocol::ports::Deps;
use protocol::{Result, Status};
use tokio::time::{Duration, Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The first pause. It doubles while nothing gets better.
const FIRST: Duration = Duration::from_millis(100);
/// What is back is noticed within this time.
const LONGEST: Duration = Duration::from_secs(5);

/// Runs `work` until the token is cancelled, and again from its start after `Unavailable`. Any other end is
/// the loop's; so is a store that was closed, for it does not come back.
pub(crate) async fn patiently<F>(
    what: &'static str,
    deps: &Deps,
    token: &CancellationToken,
    work: impl Fn() -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let mut pause = FIRST;
    loop {
        let begun = Instant::now();
        let Some(outcome) = token.run_until_cancelled(work()).await else { return Ok(()) };
        match outcome {
            Err(error) if error.status == Status::Unavailable && !is_closed(deps) => {
                pause = if begun.elapsed() > LONGEST { FIRST } else { pause };
                tracing::warn!(what, %error, retry_in = ?pause, "waiting");
            }
            outcome => return outcome,
        }
        if token.run_until_cancelled(sleep(pause)).await.is_none() {
            return Ok(());
        }
        pause = (pause * 2).min(LONGEST);
    }
}

fn is_closed(deps: &Deps) -> bool {
    deps.store.committed().has_changed().is_err()
}
