//! The port with a certificate.

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
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::Certificate;
use crate::world::{JWT_KEY, World};

async fn serve(certificate: &Certificate) -> World {
    World::with(|settings: &mut Settings| {
        settings.tls = Some((certificate.chain.clone(), certificate.key.clone()));
        settings.header_timeout = Duration::from_millis(500);
    })
    .await
}

async fn connect(world: &World, certificate: &Certificate, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.der.clone())).unwrap();
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
    let certificate = Certificate::new();
    let world = serve(&certificate).await;
    let stream = connect(&world, &certificate, b"http/1.1").await;
    let (mut sender, one) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut drivers = JoinSet::new();
    drivers.spawn(one);
    assert_eq!(sender.send_request(ping(&world)).await.unwrap().status(), 200);
    drop(sender);
    let stream = connect(&world, &certificate, b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let io = TokioIo::new(stream);
    let (mut sender, two) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    drivers.spawn(two);
    assert_eq!(sender.send_request(ping(&world)).await.unwrap().status(), 200);
    drop(sender);
    world.end().await;
    assert!(drivers.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_client_that_never_shakes_hands_is_cut() {
    let certificate = Certificate::new();
    let world = serve(&certificate).await;
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.expect("cut in time").ok();
    world.end().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_named_at_the_start() {
    let mut certificate = Certificate::new();
    std::fs::remove_file(&certificate.key).unwrap();
    certificate.key.set_extension("gone");
    let world = World::new().await;
    let mut settings = Settings::new(([127, 0, 0, 1], 0).into(), Vec::new());
    let refused = gateway::start(world.parts.clone(), settings.clone()).await.err().expect("refused");
    assert!(refused.message.contains("key of the tokens"), "{refused}");
    settings.jwt_key = JWT_KEY.to_vec();
    settings.tls = Some((certificate.chain.clone(), certificate.key.clone()));
    let refused = gateway::start(world.parts.clone(), settings).await.err().expect("refused");
    assert!(refused.message.contains(".gone"), "{refused}");
    world.end().await;
}
