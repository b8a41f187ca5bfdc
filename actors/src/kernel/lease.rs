//! The node's lease on its name, renewed while it lives.
//!
//! An outage of the store ends nobody: whoever can renew again goes on. Only a process that finds its name
//! taken by another one ends, and at once, because its supervisor cannot make that right. One that neither the
//! store nor the bus can hear falls silent: others may carry its calls by now.

use protocol::ports::{Deps, LEASE};
use protocol::{Error, Result};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::Child;

/// How often the lease is renewed: well within the silence after which others look for this node.
const BEAT: Duration = Duration::from_millis(400);
/// A store that takes longer is asked again; meanwhile the bus decides.
const RENEWAL: Duration = Duration::from_millis(800);
/// The bus has to say so faster than others ask it.
const HEALTH: Duration = Duration::from_millis(300);
/// The word of the bus alone holds until it is asked again.
const WORD: Duration = BEAT.saturating_add(RENEWAL).saturating_add(HEALTH);

/// `serves` is what other nodes read of this one.
pub fn lease(deps: &Deps, serves: Vec<&'static str>) -> Child {
    let deps = deps.clone();
    Child::task("lease", move |token| {
        let (deps, serves) = (deps.clone(), serves.clone());
        async move { token.run_until_cancelled(keep(&deps, &serves)).await.unwrap_or(Ok(())) }
    })
}

async fn keep(deps: &Deps, serves: &[&str]) -> Result<()> {
    loop {
        let begun = Instant::now();
        match renew(deps, serves).await {
            Ok(()) => deps.voice.trust(begun + LEASE),
            Err(error) if error.is_fenced() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "lease not renewed");
                let heard = timeout(HEALTH, deps.bus.health()).await.is_ok_and(|health| health.is_ok());
                deps.voice.trust(Instant::now() + if heard { WORD } else { Duration::ZERO });
            }
        }
        sleep(BEAT).await;
    }
}

async fn renew(deps: &Deps, serves: &[&str]) -> Result<()> {
    let renewed = timeout(RENEWAL, deps.store.renew(serves)).await;
    renewed.map_err(|_| Error::unavailable("the store did not answer in time"))?
}
