//! The loop that watches, on one node of those that could: two would tell everything twice.
//!
//! That is a courtesy and no lock. When two watch for a moment, the revision of a row lets only one of them
//! commit a change, and the other begins again.

use std::sync::Arc;

use protocol::ports::{Deps, Pods};
use protocol::{Error, Result, Status};
use tokio::time::{Duration, sleep};

use super::NAME;
use super::roll::Roll;
use crate::kernel::{Child, patiently};

/// How often a node looks whose turn it is. One that died is known after the time of its lease.
const LOOK: Duration = Duration::from_secs(5);

pub(super) fn watch(deps: &Deps, pods: Arc<dyn Pods>) -> Child {
    let deps = deps.clone();
    Child::task("watch", move |token| {
        let (deps, pods) = (deps.clone(), pods.clone());
        async move { patiently("watch", &deps, &token, || keep(&deps, &*pods)).await }
    })
}

async fn keep(deps: &Deps, pods: &dyn Pods) -> Result<()> {
    loop {
        turn(deps, true).await?;
        tokio::select! {
            outcome = follow(deps, pods) => match outcome {
                Err(error) if is_anothers(&error) => {
                    tracing::info!(%error, "another node has told of these pods");
                    sleep(LOOK).await;
                }
                outcome => return outcome,
            },
            outcome = turn(deps, false) => outcome?,
        }
    }
}

/// Returns when it has become this node's turn, or has ceased to be.
async fn turn(deps: &Deps, mine: bool) -> Result<()> {
    while is_first(deps).await? != mine {
        sleep(LOOK).await;
    }
    Ok(())
}

/// It is the turn of the first one by name of those that live and serve this domain.
async fn is_first(deps: &Deps) -> Result<bool> {
    let own = &deps.settings.node;
    let nodes = deps.store.nodes().await?;
    let mut others = nodes.iter().filter(|peer| peer.alive && peer.serves.iter().any(|name| name == NAME));
    Ok(!others.any(|peer| peer.node < *own))
}

async fn follow(deps: &Deps, pods: &dyn Pods) -> Result<()> {
    let (mut roll, mut watch) = (Roll::of(deps).await?, pods.watch());
    loop {
        match watch.next().await {
            Ok(seen) => roll.call(seen).await?,
            Err(error) => {
                metrics::counter!("sentinel_manager_watch_failures_total").increment(1);
                tracing::warn!(%error, "pods not watched");
            }
        }
    }
}

fn is_anothers(error: &Error) -> bool {
    error.is_conflict() || matches!(error.status, Status::NotFound | Status::AlreadyExists)
}
