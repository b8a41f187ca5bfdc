//! The listening sockets, with the strict check in front of the stack: datagrams are checked as bytes before
//! the stack sees them, messages of streams once they are cut.
//!
//! The inspector also catches 2xx responses to INVITE that no transaction waits for any longer: the stack
//! would drop them, and a dialog must acknowledge each (RFC 3261 13.2.2.4).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use protocol::{Error, Result};
use rsipstack::platform::net::UdpSocket as StackSocket;
use rsipstack::sip::{Response, SipMessage, StatusCodeKind};
use rsipstack::transaction::endpoint::{EndpointInner, TransportEventInspector};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipConnection, TcpListenerConnection, TransportEvent, TransportLayer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::check::{Verdict, check};
use super::headers;
use crate::settings::{Local, Settings};

/// The default of 208 KiB loses datagrams at a few hundred calls a second.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Binds what the settings name and registers it; an address that is taken says which flag named it.
pub(super) async fn bind(
    settings: &Settings,
    layer: &TransportLayer,
    cancel: &CancellationToken,
) -> Result<(SipConnection, Local)> {
    let socket = udp(settings.sip_udp).map_err(|error| taken(settings.sip_udp, &error))?;
    let address = socket.local_addr().map_err(|error| taken(settings.sip_udp, &error))?;
    let connection = UdpConnection::from_socket(Arc::new(Checked(socket)), None, Some(cancel.clone()))
        .await
        .map_err(|error| Error::internal(error.to_string()))?;
    let connection = SipConnection::Udp(connection);
    layer.add_transport(connection.clone());
    let tcp = match settings.sip_tcp {
        None => None,
        Some(wanted) => Some(tcp(wanted, layer).await?),
    };
    Ok((connection, Local { udp: address, tcp }))
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

/// The stack binds late and only warns, so the address is tried here first.
async fn tcp(wanted: SocketAddr, layer: &TransportLayer) -> Result<SocketAddr> {
    let domain = if wanted.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let probe = || {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&wanted.into())?;
        socket.listen(1)?;
        socket.local_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
    };
    let address = probe().map_err(|error| taken(wanted, &error))?;
    let listener = TcpListenerConnection::new(address, None).await;
    let listener = listener.map_err(|error| Error::internal(error.to_string()))?;
    layer.add_transport(SipConnection::TcpListener(listener));
    Ok(address)
}

/// A socket that hands on what passes the check, and answers what can be answered.
struct Checked(UdpSocket);

#[async_trait]
impl StackSocket for Checked {
    async fn recv_from(&self, buffer: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        loop {
            let (length, source) = self.0.recv_from(buffer).await?;
            let bytes = buffer.get(..length).unwrap_or_default();
            if bytes.iter().all(u8::is_ascii_whitespace) {
                return Ok((length, source));
            }
            match check(bytes) {
                Verdict::Pass => return Ok((length, source)),
                Verdict::Drop => debug!(%source, "message dropped"),
                Verdict::Refuse(answer) => {
                    debug!(%source, "message refused");
                    self.0.send_to(&answer, source).await?;
                }
            }
        }
    }

    async fn send_to(&self, bytes: &[u8], address: SocketAddr) -> rsipstack::Result<usize> {
        Ok(self.0.send_to(bytes, address).await?)
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }
}

/// Sees every message before the stack's transactions do.
pub(super) struct Inspector {
    endpoint: Arc<OnceLock<Weak<EndpointInner>>>,
    strays: mpsc::Sender<Response>,
}

impl Inspector {
    pub(super) fn new(strays: mpsc::Sender<Response>) -> Inspector {
        Inspector { endpoint: Arc::default(), strays }
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
                    let answer = Response::try_from(answer).ok()?;
                    let _ = connection.send(SipMessage::Response(answer), None).await;
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
