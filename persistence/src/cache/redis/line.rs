//! The connection to a Redis: kept, watched, given up and made again.
//!
//! The client's own reconnecting is switched off. It would keep commands of a lost connection and send them
//! again, and it does not notice each end; here a connection that is lost takes its commands with it.

use std::sync::Arc;

use fred::clients::Client;
use fred::error::Error as Cause;
use fred::interfaces::ClientLike as _;
use fred::types::ConnectHandle;
use fred::types::config::{Config, ConnectionConfig, Options, PerformanceConfig};
use protocol::Result;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};
use tracing::{info, warn};

use super::failure::{self, away, reason};

/// An answer of a Redis that is well takes a millisecond; who waits longer is better off without it.
pub(super) const LIMIT: Duration = Duration::from_millis(400);
/// Should the client not keep to [`LIMIT`]: later, because what it gives up itself it does not send any more.
pub(super) const SURELY: Duration = Duration::from_millis(500);
/// Name, connection, TLS and password: the network's business, not only Redis'.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The commands that wait for their answers, of all callers.
pub(super) const MOST_WAITING: usize = 1024;
/// How often an idle connection is tried: a Redis that hangs is given up within this and [`SILENCE_LIMIT`].
const EVERY: Duration = Duration::from_millis(500);
/// More than [`LIMIT`]: one slow answer is no reason to end the connection for everybody.
const SILENCE_LIMIT: Duration = Duration::from_secs(1);
/// Between attempts to connect, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A connection that may be there.
pub(super) struct Line {
    state: watch::Receiver<State>,
    _keeper: JoinSet<()>,
}

#[derive(Clone)]
enum State {
    /// Nothing was tried yet.
    New,
    Up(Client),
    /// Why not.
    Down(Arc<str>),
}

impl Line {
    /// Returns after the first attempt to connect, which may have failed.
    pub(super) async fn open(config: Config) -> Self {
        let place: Vec<_> =
            config.server.hosts().iter().map(|host| format!("{}:{}", host.host, host.port)).collect();
        let (told, mut state) = watch::channel(State::New);
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(config, place.join(","), told));
        // the keeper does not end before it is dropped, and its attempt has a limit
        let _ = state.wait_for(|state| !matches!(state, State::New)).await;
        Line { state, _keeper: keeper }
    }

    /// At once, also when there is no connection.
    pub(super) fn client(&self) -> Result<Client> {
        match &*self.state.borrow() {
            State::Up(client) => Ok(client.clone()),
            State::Down(reason) => Err(away(reason)),
            State::New => Err(away("it is not connected yet")),
        }
    }
}

/// Connects, watches, and begins again, for ever.
async fn keep(config: Config, place: String, state: watch::Sender<State>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let reason = match Connection::open(&config).await {
            Ok(connection) => {
                info!(%place, "cache connected");
                state.send_replace(State::Up(connection.client.clone()));
                pause = FIRST_PAUSE;
                connection.lost().await
            }
            Err(reason) => reason,
        };
        // an outage is one line in the log, not one for each attempt
        if !matches!(&*state.borrow(), State::Down(known) if **known == *reason) {
            warn!(%place, %reason, "cache away");
        }
        state.send_replace(State::Down(reason.into()));
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Ends when it is dropped, with whatever waits for an answer.
struct Connection {
    client: Client,
    task: ConnectHandle,
}

impl Connection {
    async fn open(config: &Config) -> Result<Self, String> {
        let client = Client::new(config.clone(), Some(times()), Some(limits()), None);
        let mut connection = Connection { task: client.connect(), client };
        // answered once it is connected: a sign that all of it works
        let patient = Options { timeout: Some(CONNECT_LIMIT), ..Options::default() };
        let first = connection.client.with_options(&patient);
        let answer = timeout(CONNECT_LIMIT, async {
            tokio::select! {
                biased;
                ended = &mut connection.task => Err(ended.map_or_else(Cause::from, end)),
                answer = first.ping::<()>(None) => answer,
            }
        });
        match answer.await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(cause)) => Err(reason(&cause)),
            Err(_) => Err(failure::LATE.to_owned()),
        }
    }

    /// Resolves when nothing is answered here any more, with the reason.
    async fn lost(mut self) -> String {
        loop {
            tokio::select! {
                ended = &mut self.task => return reason(&ended.map_or_else(Cause::from, end)),
                () = sleep(EVERY) => {}
            }
            let patient = Options { timeout: Some(SILENCE_LIMIT), ..Options::default() };
            if let Err(cause) = self.client.with_options(&patient).ping::<()>(None).await {
                return reason(&cause);
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why the client's task ended, which it does not without a reason.
fn end(result: Result<(), Cause>) -> Cause {
    result.err().unwrap_or_else(Cause::new_canceled)
}

fn times() -> PerformanceConfig {
    PerformanceConfig { default_command_timeout: LIMIT, ..PerformanceConfig::default() }
}

fn limits() -> ConnectionConfig {
    ConnectionConfig {
        connection_timeout: CONNECT_LIMIT,
        internal_command_timeout: CONNECT_LIMIT,
        max_command_attempts: 1,
        max_command_buffer_len: MOST_WAITING,
        ..ConnectionConfig::default()
    }
}
