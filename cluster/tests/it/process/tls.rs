//! The program over TLS: its own, and a Redis's.

use super::certificate::Certificate;
use super::*;
use crate::platform::free_port;
use crate::redis::Redis;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_served_over_tls_with_the_operators_certificate() {
    let (folder, ports, certificate) = (Folder::new(), Ports::free(), Certificate::new());
    let (chain, key) = (certificate.chain.to_str().unwrap(), certificate.key.to_str().unwrap());
    let child = program(&folder, &ports, &["--tls-cert", chain, "--tls-key", key]).spawn().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der.clone().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trust = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let https =
        hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(trust).https_only().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(https);
    let url: http::Uri = format!("https://localhost:{}/health/ready", ports.http.port()).parse().unwrap();
    let limit = Instant::now() + PATIENCE;
    while !client.get(url.clone()).await.is_ok_and(|answer| answer.status() == 200) {
        assert!(Instant::now() < limit, "never ready: {}", output(&folder));
        sleep(Duration::from_millis(50)).await;
    }
    let plain = Client::builder(TokioExecutor::new()).build_http();
    let running = Running { child, http: ports.http, client: plain };
    assert!(
        running.send("", "GET", "health/ready", Value::Null).await.is_none_or(|(status, _)| status != 200)
    );
    drop(client);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_over_tls_is_used_when_the_system_trusts_it() {
    let (its, other, port) = (Certificate::new(), Certificate::new(), free_port().to_string());
    let (chain, key) = (its.chain.to_str().unwrap(), its.key.to_str().unwrap());
    let tls =
        ["--tls-port", &port, "--tls-cert-file", chain, "--tls-key-file", key, "--tls-auth-clients", "no"];
    let Some(_redis) = Redis::with(&tls).await else { return };
    let url = format!("rediss://:it-is-secret@localhost:{port}");
    for (trusted, said) in [(its.chain.as_path(), "ok"), (&other.chain, "InvalidCertificate")] {
        let folder = Folder::new();
        let environment = [("BRANCHLINE_CACHE", url.as_str()), ("SSL_CERT_FILE", trusted.to_str().unwrap())];
        let running = Running::with(&folder, &environment).await;
        let (status, ready) = running.send("", "GET", "health/ready", Value::Null).await.unwrap();
        let cache = ready["checks"]["cache"].as_str().unwrap();
        assert_eq!((status, cache.contains(said)), (200, true), "{ready}");
        running.stop().await;
        assert!(!output(&folder).contains("it-is-secret"), "{}", output(&folder));
    }
}
