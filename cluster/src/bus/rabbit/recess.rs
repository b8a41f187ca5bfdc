//! A server that cannot serve leaves its queue to others, as long as there are others.
//!
//! Alone it stays: what nobody consumes waits until it expires, and its caller with it. So somebody always refuses
//! at once what nobody can do.

use std::sync::Arc;

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use protocol::ports::Serve;
use tokio::time::{Duration, sleep};

use super::beat::beats;
use super::names::is_shared;

/// Beats between two looks whether it is time to leave.
const BEATS: u32 = 2;
/// How often it is looked at whether it is time to come back: at least, and twice that at most. Of two that leave at the
/// same moment one comes back first, and is then alone.
const LOOK: Duration = Duration::from_millis(250);

/// Returns when the server should leave: it has not served at two looks in a row, and others consume the queue.
pub(super) async fn is_due(channel: &Channel, queue: &str, server: &Arc<dyn Serve>) -> lapin::Result<()> {
    if !is_shared(queue) {
        return std::future::pending().await;
    }
    let mut was_well = true;
    loop {
        beats(BEATS).await;
        let is_well = server.is_well();
        if !is_well && !was_well && consumers(channel, queue).await? > 1 {
            return Ok(());
        }
        was_well = is_well;
    }
}

/// Returns when it should come back: it serves again, or nobody is left.
pub(super) async fn is_over(channel: &Channel, queue: &str, server: &Arc<dyn Serve>) -> lapin::Result<()> {
    while !server.is_well() && consumers(channel, queue).await? > 0 {
        sleep(LOOK.mul_f64(1.0 + rand::random::<f64>())).await;
    }
    Ok(())
}

async fn consumers(channel: &Channel, queue: &str) -> lapin::Result<u32> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    Ok(queue.consumer_count())
}
