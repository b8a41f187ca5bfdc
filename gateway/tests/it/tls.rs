//! The port with a certificate. The key beside this file is for this test and nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use gateway::Settings;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::World;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}

fn with_certificate(settings: &mut Settings) {
    settings.tls = Some((file("tls_certificate.pem"), file("tls_key.pem")));
    settings.header_timeout = Duration::from_millis(500);
}

async fn connect(world: &World, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(file("tls_certificate.pem")).unwrap();
    for certificate in rustls_pemfile::certs(&mut pem.as_slice()) {
        roots.add(CertificateDer::from(certificate.unwrap())).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(world.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

fn ping(world: &World) -> Request<Empty<Bytes>> {
    let uri = format!("https://localhost:{}/ping", world.address().port());
    Request::get(uri).header("host", "localhost").body(Empty::new()).unwrap()
}

#[tokio::test]
async fn both_protocols_are_spoken_over_tls() {
    let world = World::with(with_certificate).await;
    let stream = connect(&world, b"http/1.1").await;
    let (mut sender, one) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let one = tokio::spawn(one);
    assert_eq!(sender.send_request(ping(&world)).await.unwrap().status(), 200);
    drop(sender);
    let stream = connect(&world, b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let io = TokioIo::new(stream);
    let (mut sender, two) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let two = tokio::spawn(two);
    assert_eq!(sender.send_request(ping(&world)).await.unwrap().status(), 200);
    drop(sender);
    world.end().await;
    let _ = tokio::join!(one, two);
}

#[tokio::test]
async fn a_client_that_never_shakes_hands_is_cut() {
    let world = World::with(with_certificate).await;
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.expect("cut in time").ok();
    world.end().await;
}
