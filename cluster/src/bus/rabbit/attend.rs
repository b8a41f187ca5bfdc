//! What consumers have in common: they begin anew on every connection, until their guard is dropped.

use std::sync::Arc;

use lapin::Connection;
use protocol::{Error, Result};
use tokio::sync::watch;
use tokio::time::{Duration, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::link::{Link, closed, gone};

/// Until the first delivery may come.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Before the next attempt when one failed while the connection is up: a queue of a connection that the
/// broker has not missed yet is locked for a while.
const PAUSE: Duration = Duration::from_millis(500);

/// One consumer: a session is its life on one connection.
pub(super) trait Consume: Send + 'static {
    fn queue(&self) -> &str;
    /// Ends well only when told to `stop`, or when there is nobody to consume for. Marks `up` when deliveries may come.
    fn session(
        &self,
        connection: &Arc<Connection>,
        up: &watch::Sender<bool>,
        stop: &CancellationToken,
    ) -> impl Future<Output = lapin::Result<()>> + Send;
}

/// Consumes until the guard is dropped. Returns when deliveries may come, with an error when they cannot.
pub(super) async fn attend(
    link: &Link,
    tasks: &TaskTracker,
    stop: CancellationToken,
    consumer: impl Consume,
) -> Result<DropGuard> {
    let queue = consumer.queue().to_owned();
    let (up, mut is_up) = watch::channel(false);
    let guard = stop.clone().drop_guard();
    tasks.spawn(keep(link.clone(), stop, consumer, up));
    match timeout(START_LIMIT, is_up.wait_for(|up| *up)).await {
        Ok(Ok(_)) => Ok(guard),
        _ => Err(Error::unavailable(format!("the broker does not let us consume {queue}"))),
    }
}

async fn keep(link: Link, stop: CancellationToken, consumer: impl Consume, up: watch::Sender<bool>) {
    while let Some(connection) = stop.run_until_cancelled(link.up()).await {
        let ended = tokio::select! {
            ended = consumer.session(&connection, &up, &stop) => ended,
            () = gone(link.clone(), connection.clone()) => Err(closed()),
        };
        let Err(error) = ended else { return };
        if connection.status().connected() {
            tracing::warn!(queue = consumer.queue(), %error, "consumer ended");
        }
        let _ = stop.run_until_cancelled(sleep(PAUSE)).await;
    }
}
