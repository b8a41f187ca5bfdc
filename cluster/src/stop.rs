//! The word to stop: SIGTERM from a supervisor, SIGINT from a terminal.

use protocol::{Error, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears both from the moment at which it is made; until then they end the process.
pub(crate) struct Stop {
    term: Signal,
    int: Signal,
}

impl Stop {
    /// # Errors
    /// The system lets nobody listen.
    pub(crate) fn listen() -> Result<Stop> {
        let listen = |kind| signal(kind).map_err(Error::internal);
        Ok(Stop { term: listen(SignalKind::terminate())?, int: listen(SignalKind::interrupt())? })
    }

    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
