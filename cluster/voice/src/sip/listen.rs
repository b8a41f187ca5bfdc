//! The listening sockets, with the strict check in front of the stack: datagrams are checked as bytes before
//! the stack sees them, messages of streams once they are cut.
//!
//! The inspector also catches 2xx responses to INVITE that no transaction waits for any longer: the stack
//! would drop them, and a dialog must acknowledge each (RFC 3261 13.2.2.4).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use protocol::{Error, Result};
use rsipstack::platform::net::UdpSocket as StackSocket;
use rsipstack::sip::{Response, SipMessage, StatusCodeKind, Transport};
use rsipstack::transaction::endpoint::{EndpointInner, EndpointInnerRef, TransportEventInspector};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::tcp::TcpConnection;
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent, TransportLayer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::check::{Verdict, check};
use super::headers;
use crate::settings::{Local, Settings};
use crate::trust::Trust;

/// The default of 208 KiB loses datagrams at a few hundred calls a second.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Streams that may wait to be taken.
const BACKLOG: i32 = 128;
/// Streams at once. Each costs two buffers of 64 KiB, and idle ones are closed by the stack after five minutes.
const MAX_STREAMS: usize = 1_024;
/// Refusals on their way on streams; more are not sent.
const REFUSALS: usize = 64;
/// A stream that does not take a refusal within this does not get it.
const REFUSAL: Duration = Duration::from_secs(1);
/// Between two tries to take a stream when the system has no more of them.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is bound and not read yet.
pub(super) struct Listeners {
    pub udp: SipConnection,
    pub tcp: Option<TcpListener>,
    pub local: Local,
}

/// Binds what the settings name; an address that is taken says which flag named it.
pub(super) async fn bind(
    settings: &Settings,
    layer: &TransportLayer,
    (cancel, trust): (&CancellationToken, Trust),
) -> Result<Listeners> {
    let socket = udp(settings.sip_udp).map_err(|error| taken(settings.sip_udp, &error))?;
    let address = socket.local_addr().map_err(|error| taken(settings.sip_udp, &error))?;
    let connection =
        UdpConnection::from_socket(Arc::new(Checked { socket, trust }), None, Some(cancel.clone()))
            .await
            .map_err(|error| Error::internal(error.to_string()))?;
    let connection = SipConnection::Udp(connection);
    layer.add_transport(connection.clone());
    let bound = settings.sip_tcp.map(|wanted| tcp(wanted).map_err(|error| taken(wanted, &error)));
    let (tcp, tcp_address) = bound.transpose()?.unzip();
    Ok(Listeners { udp: connection, tcp, local: Local { udp: address, tcp: tcp_address } })
}

fn taken(address: SocketAddr, error: &io::Error) -> Error {
    Error::unavailable(format!("--sip: cannot listen on {address}: {error}"))
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Not the stack's own listener: that one binds late, only warns when it cannot, and takes any number of peers.
fn tcp(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let domain = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Takes stream peers until `cancel`; one too many is closed at once.
pub(super) async fn accept(listener: TcpListener, endpoint: EndpointInnerRef, cancel: CancellationToken) {
    while let Some(accepted) = cancel.run_until_cancelled(listener.accept()).await {
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors, most likely: without a pause this would spin.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if endpoint.transport_layer.connections_count() >= MAX_STREAMS {
            debug!(%peer, "stream refused");
            continue;
        }
        let local = listener.local_addr().map(|address| SipAddr::new(Transport::Tcp, address.into()));
        let Ok(local) = local else { continue };
        if let Ok(connection) = TcpConnection::from_stream(stream, local, Some(cancel.child_token())) {
            endpoint.transport_layer.add_connection(SipConnection::Tcp(connection));
        }
    }
}

/// A socket that hands on what passes the check, and answers what can be answered. What the stack repeats by its
/// own timers leaves through it, too: while this node may have lost its calls all of that is lost on its way.
struct Checked {
    socket: UdpSocket,
    trust: Trust,
}

#[async_trait]
impl StackSocket for Checked {
    async fn recv_from(&self, buffer: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        loop {
            let (length, source) = self.socket.recv_from(buffer).await?;
            let bytes = buffer.get(..length).unwrap_or_default();
            if bytes.iter().all(u8::is_ascii_whitespace) {
                return Ok((length, source));
            }
            match check(bytes) {
                Verdict::Pass => return Ok((length, source)),
                Verdict::Drop => debug!(%source, "message dropped"),
                Verdict::Refuse(answer) => {
                    debug!(%source, "message refused");
                    // Whether it arrives is the sender's concern; an error here must not end the loop.
                    let _ = self.send_to(&answer, source).await;
                }
            }
        }
    }

    async fn send_to(&self, bytes: &[u8], address: SocketAddr) -> rsipstack::Result<usize> {
        match self.trust.holds() {
            true => Ok(self.socket.send_to(bytes, address).await?),
            false => Ok(bytes.len()),
        }
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}

/// Sees every message before the stack's transactions do.
pub(super) struct Inspector {
    endpoint: Arc<OnceLock<Weak<EndpointInner>>>,
    strays: mpsc::Sender<Response>,
    tasks: TaskTracker,
    refusals: Arc<Semaphore>,
}

impl Inspector {
    pub(super) fn new(strays: mpsc::Sender<Response>, tasks: TaskTracker) -> Inspector {
        Inspector { endpoint: Arc::default(), strays, tasks, refusals: Arc::new(Semaphore::new(REFUSALS)) }
    }

    /// Answers on a stream without waiting for it: a peer that does not read must not stop all others.
    fn refuse(&self, connection: &SipConnection, answer: Vec<u8>) {
        let (Ok(answer), Ok(permit)) =
            (Response::try_from(answer), self.refusals.clone().try_acquire_owned())
        else {
            return;
        };
        let connection = connection.clone();
        self.tasks.spawn(async move {
            let sent = connection.send(SipMessage::Response(answer), None);
            let _ = tokio::time::timeout(REFUSAL, sent).await;
            drop(permit);
        });
    }

    /// To be filled in once the endpoint exists.
    pub(super) fn endpoint(&self) -> Arc<OnceLock<Weak<EndpointInner>>> {
        self.endpoint.clone()
    }

    fn is_stray(&self, response: &Response) -> bool {
        let invite = headers::cseq_method(&response.headers) == Some("INVITE");
        if !invite || response.status_code.kind() != StatusCodeKind::Successful {
            return false;
        }
        let Some(endpoint) = self.endpoint.get().and_then(Weak::upgrade) else { return false };
        TransactionKey::from_response(response, TransactionRole::Client)
            .is_ok_and(|key| endpoint.transactions.get(&key).is_none())
    }
}

#[async_trait]
impl TransportEventInspector for Inspector {
    async fn handle(&self, event: TransportEvent) -> Option<TransportEvent> {
        let TransportEvent::Incoming(message, connection, _) = &event else { return Some(event) };
        if connection.is_reliable() {
            match check(&message.to_bytes()) {
                Verdict::Pass => {}
                Verdict::Drop => return None,
                Verdict::Refuse(answer) => {
                    self.refuse(connection, answer);
                    return None;
                }
            }
        }
        if let SipMessage::Response(response) = message
            && self.is_stray(response)
        {
            // A full queue loses nothing: the peer repeats its 2xx until it has the ACK.
            let _ = self.strays.try_send(response.clone());
            return None;
        }
        Some(event)
    }
}
