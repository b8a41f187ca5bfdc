//! A connection to the broker that comes back by itself.
//!
//! Everything that uses it belongs to one connection: channels, consumers, acknowledgements. When it is lost
//! they end with it, and their owners begin anew on the next one. lapin's own recovery is not used: it does
//! not recover channels that the broker closed, and what is redeclared when is better said in one place.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind};
use protocol::{Error, Result};
use tokio::sync::watch;
use tokio::time::{Duration, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::beat::beat;
use super::names::Topology;
use super::silence;

/// Two of them without a sign of life and the connection counts as lost.
const HEARTBEAT_SECONDS: u16 = 10;
/// TCP, TLS and login; with the declarations.
const LOGIN_LIMIT: Duration = Duration::from_secs(3);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Between attempts: soon at first, as a broker that restarts is back in seconds.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
];
/// What the broker gets to say goodbye.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Connections to the broker that are up.
const CONNECTIONS: &str = "bus_connections";

/// Where the broker is, and as whom we log in.
#[derive(Clone)]
pub(super) struct Address {
    uri: AMQPUri,
    /// Without user and password.
    shown: Arc<str>,
}

impl Address {
    /// The error does not repeat the URL: it has a password in it.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let bad =
            |_| Error::invalid("the URL of RabbitMQ must look like amqp://user:password@host:5672/vhost");
        let mut uri: AMQPUri = url.parse().map_err(bad)?;
        if uri.vhost.is_empty() {
            uri.vhost = "/".into();
        }
        let heartbeat = uri.query.heartbeat.filter(|seconds| *seconds > 0);
        uri.query.heartbeat = Some(heartbeat.unwrap_or(HEARTBEAT_SECONDS).min(HEARTBEAT_SECONDS));
        let shown = format!("{}://{}:{}", uri.scheme, uri.authority.host, uri.authority.port).into();
        Ok(Address { uri, shown })
    }
}

/// A handle to the connection. A clone is the same one.
#[derive(Clone)]
pub(super) struct Link {
    live: watch::Receiver<Option<Arc<Connection>>>,
}

/// What a connection is made with, again and again.
pub(super) struct Maker {
    pub(super) address: Address,
    /// Names it to the broker's operators.
    pub(super) name: String,
    pub(super) topology: Arc<Topology>,
    pub(super) stop: CancellationToken,
}

impl Link {
    /// Connects once, with an error when that fails; from then on it reconnects until it is told to stop.
    pub(super) async fn open(maker: Maker, tasks: &TaskTracker) -> Result<Link> {
        let first = Arc::new(maker.make().await?);
        metrics::gauge!(CONNECTIONS).increment(1);
        let (sender, live) = watch::channel(Some(first.clone()));
        tasks.spawn(maker.keep(first, sender, tasks.clone()));
        Ok(Link { live })
    }

    /// The connection as it is now; `Unavailable` at once when there is none, or when the broker takes nothing.
    pub(super) fn now(&self) -> Result<Arc<Connection>> {
        let live = self.live.borrow().clone().filter(|connection| connection.status().connected());
        let connection = live.ok_or_else(|| Error::lost("the broker is not connected"))?;
        match connection.status().blocked() {
            true => {
                Err(Error::unavailable("the broker takes no messages: it is out of memory or disk space"))
            }
            false => Ok(connection),
        }
    }

    /// Waits for a connection. Pending for ever once the bus is gone.
    pub(super) async fn up(&self) -> Arc<Connection> {
        let mut live = self.live.clone();
        loop {
            let now = live.borrow_and_update().clone();
            if let Some(connection) = now.filter(|connection| connection.status().connected()) {
                return connection;
            }
            if live.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Resolves when this connection is the link's no more. Whoever waits for an answer of lapin's waits for this,
/// too: one that was asked for while the connection died may never come.
pub(super) async fn gone(link: Link, connection: Arc<Connection>) {
    let mut live = link.live;
    let other =
        |live: &Option<Arc<Connection>>| !live.as_ref().is_some_and(|now| Arc::ptr_eq(now, &connection));
    let _ = live.wait_for(other).await;
}

impl Maker {
    async fn make(&self) -> Result<Connection> {
        let shown = &self.address.shown;
        let made = timeout(CONNECT_LIMIT, async {
            let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
            let login = Connection::connect_uri(self.address.uri.clone(), properties);
            let connection = timeout(LOGIN_LIMIT, login).await.unwrap_or_else(|_| Err(closed()))?;
            tokio::select! {
                declared = async { self.topology.declare(&connection.create_channel().await?).await } => declared?,
                () = silence::falls(&connection) => return Err(closed()),
            }
            Ok(connection)
        });
        made.await
            .map_err(|_| Error::unavailable(format!("{shown} does not answer")))?
            .map_err(|error: lapin::Error| Error::unavailable(format!("{shown}: {error}")))
    }

    async fn keep(
        self,
        mut connection: Arc<Connection>,
        live: watch::Sender<Option<Arc<Connection>>>,
        tasks: TaskTracker,
    ) {
        while self.stop.run_until_cancelled(lost(&connection)).await.is_some() {
            live.send_replace(None);
            metrics::gauge!(CONNECTIONS).decrement(1);
            tracing::warn!(connection = %self.name, broker = %self.address.shown, "broker lost");
            // one that only makes no sense any more keeps its queues until it is closed
            tasks.spawn(close(connection));
            let Some(next) = self.stop.run_until_cancelled(self.again()).await else { return };
            tracing::info!(connection = %self.name, broker = %self.address.shown, "broker is back");
            metrics::counter!("bus_reconnects_total").increment(1);
            metrics::gauge!(CONNECTIONS).increment(1);
            connection = Arc::new(next);
            live.send_replace(Some(connection.clone()));
        }
        live.send_replace(None);
        metrics::gauge!(CONNECTIONS).decrement(1);
        close(connection).await;
    }

    async fn again(&self) -> Connection {
        let last = PAUSES[PAUSES.len() - 1];
        let mut pauses = PAUSES.into_iter().chain(std::iter::repeat(last));
        loop {
            sleep(pauses.next().unwrap_or(last)).await;
            match self.make().await {
                Ok(connection) => return connection,
                Err(error) => tracing::debug!(connection = %self.name, %error, "broker is still away"),
            }
        }
    }
}

async fn lost(connection: &Connection) {
    let mut events = std::pin::pin!(connection.events_listener());
    let ended = async {
        while connection.status().connected() {
            tokio::select! {
                _ = events.next() => {}
                // in case an event is missed
                () = beat() => {}
            }
        }
    };
    tokio::select! {
        () = ended => {}
        () = silence::falls(connection) => {}
    }
}

async fn close(connection: Arc<Connection>) {
    let _ = timeout(CLOSE_LIMIT, connection.close(200, "OK".into())).await;
}

/// What a stream that ended without saying why ended with.
pub(super) fn closed() -> lapin::Error {
    ErrorKind::IOError(Arc::new(std::io::ErrorKind::NotConnected.into())).into()
}
