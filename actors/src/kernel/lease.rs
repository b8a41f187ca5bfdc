//! The node's lease on its name, renewed while it lives, and what nodes have left behind that died.
//!
//! An outage of the store ends nobody: whoever can renew again goes on. Only a process that finds its name
//! taken by another one ends, and at once, because its supervisor cannot make that right.

use protocol::ports::{Deps, LEASE};
use protocol::{Error, Result};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::Child;

/// How often the lease is renewed: an outage of some seconds costs no node its name.
const BEAT: Duration = Duration::from_secs(2);

/// `serves` is what other nodes read of this one.
pub fn lease(deps: &Deps, serves: Vec<&'static str>) -> Child {
    let deps = deps.clone();
    Child::task("lease", move |token| {
        let (deps, serves) = (deps.clone(), serves.clone());
        async move { token.run_until_cancelled(keep(&deps, &serves)).await.unwrap_or(Ok(())) }
    })
}

async fn keep(deps: &Deps, serves: &[&str]) -> Result<()> {
    // while the store was away for all, all look dead: who has heard of the others for a whole lease knows
    let mut sound: Option<Instant> = None;
    loop {
        match beat(deps, serves, sound).await {
            Ok(()) => drop(sound.get_or_insert_with(Instant::now)),
            Err(error) if error.is_fenced() => return Err(error),
            Err(error) => {
                sound = None;
                tracing::warn!(%error, "lease not renewed");
            }
        }
        sleep(BEAT).await;
    }
}

async fn beat(deps: &Deps, serves: &[&str], sound: Option<Instant>) -> Result<()> {
    let renewed = timeout(LEASE / 2, deps.store.renew(serves)).await;
    renewed.map_err(|_| Error::unavailable("the store did not answer in time"))??;
    if sound.is_some_and(|since| since.elapsed() > LEASE) {
        match deps.store.inherit().await {
            Ok(nodes) => nodes.into_iter().for_each(|node| {
                tracing::warn!(node, "a node is gone; its events and timers are this node's now");
            }),
            Err(error) if error.is_fenced() => return Err(error),
            // this node's own lease is well: it tries again with the next beat
            Err(error) => tracing::warn!(%error, "a node is gone; what it left is not taken over yet"),
        }
    }
    Ok(())
}
