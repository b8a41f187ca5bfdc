//! The wire: sockets, transactions and nothing of dialogs. It turns the stack's transactions into inputs of a
//! leg's mailbox, and a leg's requests into transactions.
//!
//! Every transaction is owned by one task, because its `receive` must never be dropped half-way. A request
//! that names a stream peer is connected in that task, so that a peer that is gone holds up nobody else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as StdUdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::ports::voice::Transport;
use protocol::{Error, Result};
use rsipstack::EndpointBuilder;
use rsipstack::sip::{HostWithPort, Method, Request, Response, SipMessage, StatusCodeKind};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::endpoint::{EndpointInnerRef, EndpointOption};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::{Transaction, TransactionEvent, TransactionEventSender};
use rsipstack::transport::{SipAddr, SipConnection, TransportLayer};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::headers::{self, Target};
use super::listen;
use crate::call::{Input, Own};
use crate::settings::{Local, Settings};
use crate::trust::Trust;

/// A stream peer that takes longer than this to accept, or to read, is gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The dial's own limit ends calls that only ring; the stack's Timer C must never be sooner.
const TIMER_C: Duration = Duration::from_secs(24 * 3600);
/// Finer than T1, coarse enough to cost nothing.
const TIMER_INTERVAL: Duration = Duration::from_millis(20);

/// Stands for every peer whose address is not known yet (RFC 5737): the default route leads to it.
const ELSEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// Where a dialog's messages go. Journalled: a resumed call goes the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Path {
    pub transport: Transport,
    /// A host, or the address that the peer's messages really come from.
    pub host: String,
    /// 0: none was named.
    pub port: u16,
    /// The listening address that the peer named, tried when its connection is gone.
    #[serde(default)]
    pub fallback: Option<SocketAddr>,
}

impl Path {
    pub(crate) fn to(transport: Transport, address: SocketAddr) -> Path {
        Path { transport, host: address.ip().to_string(), port: address.port(), fallback: None }
    }

    /// Where a URI points. Without a port the name decides (RFC 3263), or 5060.
    pub(crate) fn named(transport: Transport, target: Target) -> Path {
        Path { transport, host: target.host, port: target.port.unwrap_or(0), fallback: None }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, default(self.port)))
    }
}

/// How a request is answered. Dropping it answers nothing.
#[derive(Clone)]
pub(crate) struct Reply(TransactionEventSender, Trust);

impl Reply {
    pub(crate) fn send(&self, response: Response) {
        if !self.1.holds() {
            warn!("a response was kept back: this node may have lost its calls");
        } else if self.0.send(TransactionEvent::Respond(response)).is_err() {
            debug!("a response came after its transaction");
        }
    }
}

/// A request in its transaction, with who sent it.
pub(crate) struct Asked {
    pub request: Request,
    pub source: SocketAddr,
    pub transport: Transport,
    pub reply: Reply,
}

/// The sockets with their endpoint.
pub(crate) struct Wire {
    endpoint: EndpointInnerRef,
    local: Local,
    external: Option<IpAddr>,
    /// The UDP listener, for transactions that are made again before anything is read.
    udp: Mutex<Option<SipConnection>>,
    tcp: Mutex<Option<TcpListener>>,
    user_agent: String,
    tasks: TaskTracker,
    trust: Trust,
    cancel: CancellationToken,
}

impl Wire {
    /// Binds the sockets; nothing is read before [`Wire::serve`].
    pub(crate) async fn bind(
        settings: &Settings,
        strays: mpsc::Sender<Response>,
        (tasks, trust): (TaskTracker, Trust),
    ) -> Result<(Arc<Wire>, TransactionReceiver)> {
        let cancel = CancellationToken::new();
        let layer = TransportLayer::new(cancel.clone());
        let listen::Listeners { udp, tcp, local } =
            listen::bind(settings, &layer, (&cancel, trust.clone())).await?;
        let inspector = listen::Inspector::new(strays, tasks.clone());
        let known = inspector.endpoint();
        let endpoint = EndpointBuilder::new()
            .with_user_agent(&settings.user_agent)
            .with_transport_layer(layer)
            .with_cancel_token(cancel.clone())
            .with_timer_interval(TIMER_INTERVAL)
            .with_option(EndpointOption { auto_ack_2xx: false, timerc: TIMER_C, ..EndpointOption::default() })
            .with_transport_inspector(Box::new(inspector))
            .build();
        let incoming =
            endpoint.incoming_transactions().map_err(|error| Error::internal(error.to_string()))?;
        let _ = known.set(Arc::downgrade(&endpoint.inner));
        let wire = Wire {
            endpoint: endpoint.inner,
            local,
            external: settings.external_ip,
            udp: Mutex::new(Some(udp)),
            tcp: Mutex::new(tcp),
            user_agent: settings.user_agent.clone(),
            tasks,
            trust,
            cancel,
        };
        Ok((Arc::new(wire), incoming))
    }

    pub(crate) fn local(&self) -> Local {
        self.local
    }

    /// Starts to read the sockets. From now on every transaction comes from one of them.
    pub(crate) fn serve(&self) {
        *self.udp.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(listener) = self.tcp.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.tasks.spawn(listen::accept(listener, self.endpoint.clone(), self.cancel.clone()));
        }
        let endpoint = self.endpoint.clone();
        self.tasks.spawn(async move {
            if let Err(error) = endpoint.serve().await {
                warn!(%error, "sip endpoint failed");
            }
        });
    }

    /// Stops reading and gives the sockets back.
    pub(crate) fn close(&self) {
        self.cancel.cancel();
        *self.udp.lock().unwrap_or_else(PoisonError::into_inner) = None;
        for address in self.endpoint.transport_layer.get_listen_addrs() {
            self.endpoint.transport_layer.del_transport(&address);
        }
    }

    /// What a peer at `path` should use for us, in Via, Contact and SDP.
    pub(crate) fn own(&self, path: &Path, user: &str) -> Own {
        let (listener, transport) = match (path.transport, self.local.tcp) {
            (Transport::Tcp, Some(tcp)) => (tcp, Transport::Tcp),
            (Transport::Tcp, None) | (Transport::Udp, _) => (self.local.udp, Transport::Udp),
        };
        let ip = self.external.unwrap_or_else(|| match listener.ip().is_unspecified() {
            true => facing(path.address().unwrap_or(ELSEWHERE)).unwrap_or(listener.ip()),
            false => listener.ip(),
        });
        let address = SocketAddr::new(ip, listener.port());
        Own { address, user: user.to_owned(), transport, user_agent: self.user_agent.clone() }
    }

    /// Takes over a request that came in. CANCEL, ACK and the lack of one go into `mailbox`.
    pub(crate) fn accept(
        &self,
        transaction: Transaction,
        mailbox: Option<mpsc::Sender<Input>>,
    ) -> Option<Asked> {
        let remote = transaction.connection.as_ref()?.get_remote_addr()?;
        let transport = match remote.r#type {
            Some(rsipstack::sip::Transport::Tcp) => Transport::Tcp,
            _ => Transport::Udp,
        };
        let asked = Asked {
            request: transaction.original.clone(),
            source: remote.get_socketaddr().ok()?,
            transport,
            reply: Reply(transaction.tu_sender.clone(), self.trust.clone()),
        };
        self.tasks.spawn(serve(transaction, mailbox));
        Some(asked)
    }

    /// The transaction of a journalled INVITE, as if it had just come in (RFC 3261 17.2.1).
    pub(crate) async fn again(
        &self,
        request: Request,
        path: &Path,
        mailbox: mpsc::Sender<Input>,
    ) -> Option<Reply> {
        let key = TransactionKey::from_request(&request, TransactionRole::Server).ok()?;
        let connection = match path.transport {
            Transport::Udp => {
                let unread = self.udp.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match unread {
                    Some(listener) => listener,
                    None => self.connect(path).await.ok()?.0,
                }
            }
            Transport::Tcp => self.connect(path).await.ok()?.0,
        };
        let transaction = Transaction::new_server(key, request, self.endpoint.clone(), Some(connection));
        let reply = Reply(transaction.tu_sender.clone(), self.trust.clone());
        self.tasks.spawn(serve(transaction, Some(mailbox)));
        Some(reply)
    }

    /// Sends a request; its responses, or that it could not be sent, go into `mailbox`.
    pub(crate) fn ask(self: &Arc<Self>, request: Request, path: &Path, mailbox: mpsc::Sender<Input>) {
        let (wire, path) = (self.clone(), path.clone());
        self.tasks.spawn(async move {
            let (cseq, method) = (headers::cseq(&request.headers).unwrap_or_default(), request.method);
            let sent = async {
                if !wire.trust.regained().await {
                    return Err(Error::unavailable("this node may have lost its calls"));
                }
                let (connection, destination) = wire.connect(&path).await?;
                let key = TransactionKey::from_request(&request, TransactionRole::Client).map_err(broken)?;
                let mut transaction =
                    Transaction::new_client(key, request, wire.endpoint.clone(), Some(connection));
                transaction.destination = Some(destination);
                transaction.send().await.map_err(broken)?;
                Ok::<_, Error>(transaction)
            };
            match sent.await {
                Ok(transaction) => hear(transaction, cseq, &mailbox).await,
                Err(error) => {
                    warn!(%error, %method, "request not sent");
                    let _ = mailbox.send(Input::Unsent { cseq, method }).await;
                }
            }
        });
    }

    /// Sends an ACK: it has no transaction and no answer.
    pub(crate) async fn tell(&self, request: Request, path: &Path) -> Result<()> {
        if !self.trust.holds() {
            return Err(Error::unavailable("this node may have lost its calls"));
        }
        let (connection, destination) = self.connect(path).await?;
        let sent = connection.send(SipMessage::Request(request), Some(&destination));
        tokio::time::timeout(CONNECT_TIMEOUT, sent).await.map_err(|_| Error::timeout())?.map_err(broken)
    }

    /// Ends a client transaction that nobody waits for any longer.
    pub(crate) fn forget(&self, request: &Request) {
        let key = TransactionKey::from_request(request, TransactionRole::Client);
        if let Ok(key) = key
            && let Some(sender) = self.endpoint.transactions.get(&key)
        {
            let _ = sender.send(TransactionEvent::Terminate(key));
        }
    }

    async fn connect(&self, path: &Path) -> Result<(SipConnection, SipAddr)> {
        match self.lookup(path.transport, &path.host, path.port).await {
            Err(_) if path.fallback.is_some_and(|fallback| path.address() != Some(fallback)) => {
                let fallback = path.fallback.ok_or_else(Error::timeout)?;
                self.lookup(path.transport, &fallback.ip().to_string(), fallback.port()).await
            }
            found => found,
        }
    }

    async fn lookup(&self, transport: Transport, host: &str, port: u16) -> Result<(SipConnection, SipAddr)> {
        let kind = match transport {
            Transport::Udp => rsipstack::sip::Transport::Udp,
            Transport::Tcp => rsipstack::sip::Transport::Tcp,
        };
        let address = match host.parse::<IpAddr>() {
            Ok(ip) => HostWithPort::from(SocketAddr::new(ip, default(port))),
            Err(_) if port == 0 => HostWithPort::try_from(host).map_err(broken)?,
            Err(_) => HostWithPort::try_from(format!("{host}:{port}")).map_err(broken)?,
        };
        let target = SipAddr::new(kind, address);
        let lookup = self.endpoint.transport_layer.lookup(&target, None);
        tokio::time::timeout(CONNECT_TIMEOUT, lookup).await.map_err(|_| Error::timeout())?.map_err(broken)
    }
}

fn default(port: u16) -> u16 {
    if port == 0 { 5060 } else { port }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::unavailable(format!("The SIP peer cannot be reached: {error}"))
}

/// The address of ours that packets to `peer` carry. Connecting a datagram socket sends nothing.
fn facing(peer: SocketAddr) -> Option<IpAddr> {
    let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = StdUdpSocket::bind(any).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

async fn serve(mut transaction: Transaction, mailbox: Option<mpsc::Sender<Input>>) {
    let cseq = headers::cseq(&transaction.original.headers).unwrap_or_default();
    let mut acked = false;
    while let Some(message) = transaction.receive().await {
        let (SipMessage::Request(request), Some(mailbox)) = (message, &mailbox) else { continue };
        let input = if request.method == Method::Cancel {
            Input::Cancelled { cseq }
        } else {
            acked = true;
            Input::Acked { cseq, sdp: headers::sdp(&request.headers, &request.body).map(str::to_owned) }
        };
        let _ = mailbox.send(input).await;
    }
    let answered = transaction.last_response.as_ref().map(|response| response.status_code.kind());
    if let (false, Some(StatusCodeKind::Successful), Some(mailbox)) = (acked, answered, &mailbox)
        && transaction.original.method == Method::Invite
    {
        let _ = mailbox.send(Input::Unacked { cseq }).await;
    }
}

async fn hear(mut transaction: Transaction, cseq: u32, mailbox: &mpsc::Sender<Input>) {
    let method = transaction.original.method;
    while let Some(message) = transaction.receive().await {
        if let SipMessage::Response(response) = message
            && mailbox.send(Input::Answered { cseq, method, response }).await.is_err()
        {
            return;
        }
    }
}
