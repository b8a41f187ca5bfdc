//! The node's lease on its name, renewed while it lives.
//!
//! An outage of the store ends nobody: whoever can renew again goes on. Only a process that finds its name
//! taken by another one ends, and at once, because its supervisor cannot make that right. One that neither the
//! store nor the bus can hear falls silent: others may carry its calls by now.

use protocol::ports::{Deps, QUIET};
use protocol::{Error, Result, sock};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::Child;
use super::one_voice::{Standing, WORD};

/// How often the lease is renewed: well within the silence after which others look for this node.
const BEAT: Duration = Duration::from_millis(400);
/// A store that takes longer is asked again; meanwhile the bus decides.
const RENEWAL: Duration = Duration::from_millis(600);
/// The bus has to say so faster than others ask it.
const HEALTH: Duration = Duration::from_millis(300);
/// How soon the store is asked again that has not answered: the word of the bus is short.
const AGAIN: Duration = Duration::from_millis(200);

// a renewal that just succeeds, and one that fails, cost no audio while the bus answers; nor do two words
const _: () = assert!(QUIET.as_millis() >= 2 * RENEWAL.as_millis() + BEAT.as_millis() + HEALTH.as_millis());
const _: () = assert!(WORD.as_millis() >= AGAIN.as_millis() + RENEWAL.as_millis() + 2 * HEALTH.as_millis());

/// `serves` is what other nodes read of this one.
pub fn lease(deps: &Deps, serves: Vec<&'static str>) -> Child {
    let deps = deps.clone();
    Child::task("lease", move |token| {
        let (deps, serves) = (deps.clone(), serves.clone());
        async move { token.run_until_cancelled(keep(&deps, &serves)).await.unwrap_or(Ok(())) }
    })
}

async fn keep(deps: &Deps, serves: &[&str]) -> Result<()> {
    if !deps.store.is_shared() {
        // nobody else can have the name, or the calls
        return std::future::pending().await;
    }
    // whoever starts knows of no renewal yet, and the first follows at once
    let (mut standing, mut well) = (None, true);
    loop {
        let begun = Instant::now();
        let renewed = renew(deps, serves).await;
        match &renewed {
            Ok(()) => standing = Some(Standing::renewed(begun)),
            Err(error) if error.is_fenced() => return renewed,
            Err(error) => {
                if well {
                    tracing::warn!(%error, "lease not renewed");
                }
                ask_bus(deps, &mut standing).await;
            }
        }
        well = renewed.is_ok();
        deps.voice.trust(standing.map_or_else(Instant::now, |standing| standing.until()));
        sleep(if well { BEAT } else { AGAIN }).await;
    }
}

/// Nobody takes a node for dead that the bus has had all the time.
async fn ask_bus(deps: &Deps, standing: &mut Option<Standing>) {
    let asked = Instant::now();
    let queue = sock::admin_queue(&deps.settings.node);
    if let Ok(Ok(since)) = timeout(HEALTH, deps.bus.served_since(&queue)).await
        && let Some(standing) = standing
    {
        standing.heard(since, asked);
    }
}

async fn renew(deps: &Deps, serves: &[&str]) -> Result<()> {
    let renewed = timeout(RENEWAL, deps.store.renew(serves)).await;
    renewed.map_err(|_| Error::unavailable("the store did not answer in time"))?
}
