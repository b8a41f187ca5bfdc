//! The listener: binds, accepts, and stops in order. It owns every task that serves a connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use protocol::{Error, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Duration, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::connection::Desk;
use crate::front::Front;
use crate::hub::Hub;
use crate::parts::Parts;
use crate::settings::Settings;
use crate::tls;

/// After an accept that failed (no file handle left, usually), so that the loop does not spin.
const PAUSE: Duration = Duration::from_millis(100);

/// How long tasks that were cut off may take to notice.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A shorter key than this can be found by trying, and an empty one would let everybody in.
const SHORTEST_KEY: usize = 16;

/// A gateway that serves. Dropping it closes everything at once; [`Server::stop`] does it in order.
pub struct Server {
    address: SocketAddr,
    tasks: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
}

/// Binds and serves until the server is stopped or dropped.
///
/// # Errors
/// The address cannot be bound, the certificate cannot be used, or the key of the tokens is too short.
pub async fn start(parts: Parts, settings: Settings) -> Result<Server> {
    if settings.jwt_key.len() < SHORTEST_KEY {
        return Err(Error::invalid(format!("the key of the tokens must have at least {SHORTEST_KEY} bytes")));
    }
    let tls = match &settings.tls {
        Some((certificate, key)) => Some(tls::acceptor(certificate, key).await?),
        None => None,
    };
    let unbound = |cause: io::Error| {
        Error::unavailable(format!("--http: cannot listen on {}: {cause}", settings.address))
    };
    let listener = TcpListener::bind(settings.address).await.map_err(unbound)?;
    let address = listener.local_addr().map_err(unbound)?;
    let (tasks, stop, cut) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
    let hub = Arc::new(Hub::new(&settings, (tasks.clone(), stop.clone(), cut.clone())));
    tasks.spawn(hub.clone().run(parts.clone()));
    let places = Arc::new(Semaphore::new(settings.connections));
    let patience = settings.header_timeout;
    let front = Arc::new(Front::new(parts, settings, hub, (tasks.clone(), cut.clone())));
    let desk = Desk::new(front, tls, patience, (tasks.clone(), stop.clone(), cut.clone()));
    tasks.spawn(accept(listener, Arc::new(desk), places, (tasks.clone(), stop.clone())));
    info!(%address, "http is served");
    Ok(Server { address, tasks, stop, cut })
}

impl Server {
    /// The address that was bound, with the port that was chosen for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, finishes what is under way, and after `deadline` closes what is left.
    pub async fn stop(&self, deadline: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(deadline, self.tasks.wait()).await.is_err() {
            warn!(left = self.tasks.len(), "connections cut off");
            self.cut.cancel();
            let _ = timeout(LAST_WORDS, self.tasks.wait()).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.cut.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    desk: Arc<Desk>,
    places: Arc<Semaphore>,
    (tasks, stop): (TaskTracker, CancellationToken),
) {
    let connections = metrics::gauge!("http_connections");
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, peer): (TcpStream, SocketAddr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "connection not accepted");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            metrics::counter!("http_connections_refused_total").increment(1);
            continue;
        };
        let desk = desk.clone();
        let open = Open::new(&connections);
        tasks.spawn(async move {
            desk.serve(stream, peer.ip()).await;
            drop((place, open));
        });
    }
}

/// A connection in the figures, until it is dropped.
struct Open(metrics::Gauge);

impl Open {
    fn new(connections: &metrics::Gauge) -> Self {
        connections.increment(1);
        Open(connections.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
