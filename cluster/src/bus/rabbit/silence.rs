//! Whether a connection still says anything that makes sense.
//!
//! One byte that was spoilt on its way can have lapin wait for the rest of a message that never was: the connection
//! stays open, the broker's heartbeats are swallowed with all the rest, and nobody is answered any more.

use lapin::{Channel, Connection};
use tokio::time::{Duration, sleep, timeout};

use super::names::is_there;

/// How often a connection is asked something.
const ASK: Duration = Duration::from_secs(1);
/// A broker that lives answers within milliseconds, a busy one within a second.
const SILENT: Duration = Duration::from_secs(3);

/// Resolves when the connection does not answer any more. A broker that takes nothing for want of memory says so.
pub(super) async fn falls(connection: &Connection) {
    let mut channel = None;
    loop {
        sleep(ASK).await;
        let answer = timeout(SILENT, ask(connection, &mut channel)).await;
        if answer.is_err() && !connection.status().blocked() {
            return;
        }
        if !matches!(answer, Ok(Ok(()))) {
            channel = None;
        }
    }
}

/// Any answer will do, also a refusal.
async fn ask(connection: &Connection, channel: &mut Option<Channel>) -> lapin::Result<()> {
    let asked = match channel {
        Some(channel) => channel,
        None => channel.insert(connection.create_channel().await?),
    };
    is_there(asked).await
}
