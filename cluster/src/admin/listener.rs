//! The operators' port: connections as they come, or after a handshake of TLS in which a client may prove who it is.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Extensions;
use protocol::{Error, Result};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tracing::debug;

/// Handshakes at a time: each costs a signature, and operators are few.
const HANDSHAKES: usize = 64;
/// Whoever takes longer is no client.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// When the process has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// The files of TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate chain and private key, PEM.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The authority whose clients are let in without the token.
    pub client_ca: Option<PathBuf>,
}

/// What a connection says about its other end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) is_encrypted: bool,
    /// It has shown a certificate of the authority.
    pub(crate) is_known: bool,
}

impl Peer {
    pub(crate) fn of(extensions: &Extensions) -> Peer {
        extensions.get().copied().unwrap_or_default()
    }
}

/// Accepts until `stop`. Handshakes delay nobody else.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    ready: mpsc::Sender<io::Result<Stream>>,
    stop: CancellationToken,
) {
    let mut shaking = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(_) = shaking.join_next() => continue,
            accepted = listener.accept(), if shaking.len() < HANDSHAKES => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                shaking.spawn(admit(stream, tls.clone(), ready.clone()));
            }
            Err(error) => {
                debug!(%error, "operator not accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn admit(stream: TcpStream, tls: Option<TlsAcceptor>, ready: mpsc::Sender<io::Result<Stream>>) {
    let Some(tls) = tls else {
        let _ = ready.send(Ok(Stream::Plain(stream))).await;
        return;
    };
    match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => drop(ready.send(Ok(Stream::Tls(Box::new(stream)))).await),
        Ok(Err(error)) => debug!(%error, "operator's handshake failed"),
        Err(_) => debug!("operator's handshake took too long"),
    }
}

/// Reads the files once.
///
/// # Errors
/// Names the flag and the file that cannot be used.
pub(super) fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let broken = |flag: &str, file: &Path, cause: String| {
        Error::invalid(format!("{flag}: the file {} cannot be used: {cause}", file.display()))
    };
    let chain = certificates(&tls.certificate)
        .map_err(|cause| broken("--grpc-cert", &tls.certificate, cause.to_string()))?;
    let key = private_key(&tls.key).map_err(|cause| broken("--grpc-key", &tls.key, cause.to_string()))?;
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?;
    let config = match &tls.client_ca {
        None => config.with_no_client_auth(),
        Some(file) => {
            let bad = |cause: String| broken("--grpc-client-ca", file, cause);
            let roots = roots(file).map_err(|cause| bad(cause.to_string()))?;
            let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            // whoever has none may still show the token
            let clients = clients.allow_unauthenticated().build().map_err(|cause| bad(cause.to_string()))?;
            config.with_client_cert_verifier(clients)
        }
    };
    let mut config = config
        .with_single_cert(chain, key)
        .map_err(|cause| broken("--grpc-key", &tls.key, cause.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificates of a PEM file.
pub(crate) fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = std::fs::read(file)?;
    let all: Vec<_> = rustls_pemfile::certs(&mut text.as_slice()).collect::<io::Result<_>>()?;
    if all.is_empty() { Err(io::Error::other("no certificate in it")) } else { Ok(all) }
}

/// The private key of a PEM file.
pub(crate) fn private_key(file: &Path) -> io::Result<rustls::pki_types::PrivateKeyDer<'static>> {
    let text = std::fs::read(file)?;
    let key = rustls_pemfile::private_key(&mut text.as_slice())?;
    key.ok_or_else(|| io::Error::other("no private key in it"))
}

/// The authorities of a PEM file.
pub(crate) fn roots(file: &Path) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(io::Error::other)?;
    }
    Ok(roots)
}

/// One connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connected for Stream {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        match self {
            Stream::Plain(_) => Peer::default(),
            Stream::Tls(stream) => {
                Peer { is_encrypted: true, is_known: stream.get_ref().1.peer_certificates().is_some() }
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
