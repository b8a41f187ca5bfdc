//! The node's side for operators, all on one port: gRPC, the console's page, health and metrics.
//!
//! Whoever has the token may crash anything, so all of it asks for the token, reflection too. Only health and
//! metrics are open: probes carry no token, and they tell no more than which domains run and what is counted.

mod act;
mod calls;
mod cluster;
mod dead;
mod desk;
mod events;
mod figures;
mod gate;
mod health;
mod here;
mod hinder;
mod listener;
mod message;
mod nodes;
mod picture;
mod place;
mod post;
mod question;
mod refusal;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod watches;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use gateway::Probe;
use proto::admin::v1::admin_server::AdminServer;
use protocol::ports::{Bus, Dispatch, Store};
use protocol::{Catalog, Error, Result};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::Router;
use tracing::{error, info, warn};

use crate::console;
pub(crate) use calls::Calls;
pub(crate) use cluster::EVERY;
pub(crate) use dead::Dead;
pub(crate) use desk::Desk;
pub(crate) use events::{Events, Wanted, Word};
pub(crate) use gate::{Gate, refused};
pub(crate) use here::{Acted, Here};
pub(crate) use hinder::Hindrance;
pub use listener::Tls;
pub(crate) use listener::{Peer, certificates, private_key, roots};
pub(crate) use nodes::Nodes;
pub(crate) use picture::Watcher;
pub(crate) use post::Post;
pub(crate) use question::{Act, Fault, Question};
pub use token::{FILE as TOKEN_FILE, made_token, token};
pub(crate) use watches::Watches;

/// A request has ids, a path and a token; nothing of it is large.
const LARGEST_REQUEST: usize = 64 * 1024;
const LARGEST_HEAD: u32 = 16 * 1024;
/// Some ten thousand actors, and what gRPC clients take unless they are told otherwise.
pub(crate) const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
/// An answer that takes longer comes from a store in trouble. A watch has answered when it has begun.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Requests and watches at a time on one connection; an operator has a handful.
const STREAMS: u32 = 64;
const REQUESTS: usize = 32;
/// Connections that are ready and not yet served.
const WAITING: usize = 16;
/// How often a client is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// What the server shows, and the token it is shown for.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) here: Arc<Here>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) peers: Arc<dyn Dispatch>,
    pub(crate) catalog: Arc<OnceLock<Catalog>>,
    pub(crate) probe: Arc<dyn Probe>,
    /// At least 16 characters.
    pub(crate) token: String,
    pub(crate) tls: Option<Tls>,
}

/// A server that serves. Dropping it closes the listener and ends every watch; [`Server::stop`] also waits.
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Binds and serves until the server is stopped or dropped.
///
/// # Errors
/// The address cannot be bound, or the token is too short.
pub(crate) async fn start(parts: Parts, address: SocketAddr) -> Result<Server> {
    let gate = Gate::new(&parts.token)?;
    let tls = parts.tls.as_ref().map(listener::acceptor).transpose()?;
    let unbound =
        |cause: io::Error| Error::unavailable(format!("--grpc: cannot listen on {address}: {cause}"));
    let listener = TcpListener::bind(address).await.map_err(unbound)?;
    let address = listener.local_addr().map_err(unbound)?;
    let stop = CancellationToken::new();
    let (reporter, health) = tonic_health::server::health_reporter();
    let (here, probe) = (parts.here.clone(), parts.probe.clone());
    let desk = Arc::new(desk(parts, &stop));
    let routes = services(desk.clone(), &gate)?.add_service(health);
    let pages = console::routes(console::Parts { desk, gate, probe });
    let routes = console::beside(routes.prepare().into_axum_router(), pages);
    let mut tasks = JoinSet::new();
    tasks.spawn(health::report(here, reporter, stop.clone()));
    let (ready, incoming) = mpsc::channel(WAITING);
    tasks.spawn(listener::accept(listener, tls, ready, stop.clone()));
    let incoming = ReceiverStream::new(incoming);
    let (router, stopped) = (router(routes.into()), stop.clone().cancelled_owned());
    tasks.spawn(async move {
        if let Err(error) = router.serve_with_incoming_shutdown(incoming, stopped).await {
            error!(%error, "grpc ended");
        }
    });
    info!(%address, "operators are served");
    Ok(Server { address, stop, tasks })
}

fn desk(parts: Parts, stop: &CancellationToken) -> Desk {
    let Parts { here, store, bus, peers, catalog, .. } = parts;
    Desk {
        nodes: Nodes { here, bus: bus.clone(), store: store.clone() },
        calls: Calls { store: store.clone(), bus: bus.clone(), catalog: catalog.clone() },
        events: Events { store: store.clone(), bus, catalog: catalog.clone() },
        dead: Dead { store, peers, catalog },
        watches: Watches::new(stop.clone()),
    }
}

fn services(desk: Arc<Desk>, gate: &Gate) -> Result<Routes> {
    let admin = AdminServer::new(desk::Service(desk))
        .max_decoding_message_size(LARGEST_REQUEST)
        .max_encoding_message_size(LARGEST_ANSWER);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(Error::internal)?;
    let routes = Routes::new(InterceptedService::new(admin, gate.clone()));
    Ok(routes.add_service(InterceptedService::new(reflection, gate.clone())))
}

fn router(routes: Routes) -> Router {
    tonic::transport::Server::builder()
        // browsers and probes do without HTTP/2 unless there is TLS
        .accept_http1(true)
        .timeout(TIMEOUT)
        .concurrency_limit_per_connection(REQUESTS)
        .load_shed(true)
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(LARGEST_HEAD)
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PONG))
        .add_routes(routes)
}

impl Server {
    /// The address that was bound, with the port that was chosen for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, ends every watch, finishes what is under way, and after `within` leaves the rest.
    pub async fn stop(mut self, within: Duration) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(within, ended).await.is_err() {
            warn!("operators' connections cut off");
            self.tasks.shutdown().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
