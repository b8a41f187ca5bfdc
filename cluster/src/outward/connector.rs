//! Resolves, checks, connects: three steps on the same addresses, so that no second look-up can answer
//! otherwise.
//!
//! One forbidden address among several forbids the name: public services do not mix them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Duration, timeout};
use tower_service::Service;

use super::network::Reach;

/// A name server that needs longer is as good as none.
const RESOLVE: Duration = Duration::from_secs(5);
/// For each address; three times the longest sane round trip, with two lost packets.
const CONNECT: Duration = Duration::from_secs(5);
/// Addresses tried of one name, so that a name with hundreds cannot hold a request for long.
const TRIED: usize = 4;

/// The address is not one that this client may go to. The text does not say where the name led: that would
/// tell a customer about the inside of the network.
#[derive(Debug)]
pub(super) struct Forbidden;

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host is not a public address")
    }
}

impl std::error::Error for Forbidden {}

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone)]
pub(super) struct Connector {
    reach: Arc<Reach>,
}

impl Connector {
    pub(super) fn new(reach: Reach) -> Self {
        Connector { reach: Arc::new(reach) }
    }

    /// The addresses of a host, all of which may be gone to.
    pub(super) async fn checked(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        let addresses = resolve(host, port).await?;
        if addresses.iter().any(|address| !self.reach.admits(*address)) {
            return Err(Forbidden.into());
        }
        Ok(addresses)
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<TcpStream>, Fault> {
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let addresses = self.checked(uri.host().unwrap_or_default(), port).await?;
        let mut fault = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses.into_iter().take(TRIED) {
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(TokioIo::new(stream));
                }
                Ok(Err(error)) => fault = error,
                Err(_) => fault = io::Error::new(io::ErrorKind::TimedOut, "the connection took too long"),
            }
        }
        Err(fault.into())
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let found = timeout(RESOLVE, lookup_host((host, port)))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the name was not resolved in time"))??;
    Ok(found.collect())
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}
