//! The node's side for operators: gRPC with the tree of actors, the live calls, and the means to end an actor.
//!
//! Whoever has the token may crash anything, so all of it asks for the token, reflection too. Only health is
//! open: probes carry no token, and it tells no more than which domains run.

mod calls;
mod desk;
mod gate;
mod health;
mod refusal;
mod stop;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod watches;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actors::kernel::Branch;
use proto::admin::v1::admin_server::AdminServer;
use protocol::ports::Deps;
use protocol::{Error, Result};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::{Router, TcpIncoming};
use tracing::{error, info, warn};

use calls::Calls;
use desk::Desk;
use gate::Gate;
pub use token::{made_token, token};
use watches::Watches;

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
/// How often a client is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// What the server shows, and the token it is shown for.
pub struct Parts {
    pub tree: Arc<Branch>,
    pub deps: Deps,
    /// At least 16 characters.
    pub token: String,
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
pub async fn start(parts: Parts, address: SocketAddr) -> Result<Server> {
    let Parts { tree, deps, token } = parts;
    let calls = Calls { store: deps.store, bus: deps.bus, catalog: deps.catalog };
    serve(tree, calls, &token, address).await
}

async fn serve(tree: Arc<Branch>, calls: Calls, token: &str, address: SocketAddr) -> Result<Server> {
    let gate = Gate::new(token)?;
    let unbound =
        |cause: io::Error| Error::unavailable(format!("--grpc: cannot listen on {address}: {cause}"));
    let listener = TcpListener::bind(address).await.map_err(unbound)?;
    let address = listener.local_addr().map_err(unbound)?;
    let stop = CancellationToken::new();
    let (reporter, health) = tonic_health::server::health_reporter();
    let desk = Desk { tree: tree.clone(), calls, watches: Watches::new(stop.clone()) };
    let router = router(desk, &gate)?.add_service(health);
    let mut tasks = JoinSet::new();
    tasks.spawn(health::report(tree, reporter, stop.clone()));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(PING));
    let stopped = stop.clone().cancelled_owned();
    tasks.spawn(async move {
        if let Err(error) = router.serve_with_incoming_shutdown(incoming, stopped).await {
            error!(%error, "grpc ended");
        }
    });
    info!(%address, "grpc is served");
    Ok(Server { address, stop, tasks })
}

fn router(desk: Desk, gate: &Gate) -> Result<Router> {
    let admin = AdminServer::new(desk)
        .max_decoding_message_size(LARGEST_REQUEST)
        .max_encoding_message_size(LARGEST_ANSWER);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(Error::internal)?;
    let router = tonic::transport::Server::builder()
        .timeout(TIMEOUT)
        .concurrency_limit_per_connection(REQUESTS)
        .load_shed(true)
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(LARGEST_HEAD)
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PONG))
        .add_service(InterceptedService::new(admin, gate.clone()))
        .add_service(InterceptedService::new(reflection, gate.clone()));
    Ok(router)
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
