//! The certificate of the port, read once at the start.

use std::path::Path;
use std::sync::Arc;

use protocol::{Error, Result};
use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio_rustls::TlsAcceptor;

pub(crate) async fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let (chain, private) = (read(certificate).await?, read(key).await?);
    let chain: Vec<_> = rustls_pemfile::certs(&mut chain.as_slice())
        .collect::<Result<_, _>>()
        .map_err(|cause| broken(certificate, cause))?;
    let private = rustls_pemfile::private_key(&mut private.as_slice())
        .map_err(|cause| broken(key, cause))?
        .ok_or_else(|| broken(key, std::io::Error::other("no private key in it")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|cause| broken(certificate, std::io::Error::other(cause)))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn read(file: &Path) -> Result<Vec<u8>> {
    tokio::fs::read(file).await.map_err(|cause| broken(file, cause))
}

fn broken(file: &Path, cause: std::io::Error) -> Error {
    Error::invalid(format!("the TLS file {} cannot be used: {cause}", file.display()))
}
