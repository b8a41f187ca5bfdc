//! The task that makes attempts. It owns every one of them: when it ends, they end.

use std::sync::Arc;

use protocol::Result;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Webhooks, attempt};

pub(super) async fn run(state: Arc<Webhooks>, token: CancellationToken) -> Result<()> {
    let mut attempts = JoinSet::new();
    while !token.is_cancelled() {
        while let Some(place) = state.desk.take() {
            attempts.spawn(attempt::make(state.clone(), place));
        }
        tokio::select! {
            () = token.cancelled() => {}
            () = state.desk.changed() => {}
            Some(ended) = attempts.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a delivery attempt crashed");
                }
            }
        }
    }
    // an attempt whose end is not stored is made again; one that hangs is not waited for: the supervisor
    // ends this task, and with it what is left
    while attempts.join_next().await.is_some() {}
    Ok(())
}
