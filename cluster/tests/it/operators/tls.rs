//! The operators' port over TLS, with clients that prove who they are.

use std::sync::Arc;

use bytes::Bytes;
use cluster::admin::Tls;
use cluster::cli::{self, Identity, Operator};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::{TOKEN, soon};
use crate::platform::Platform;
use crate::process::certificate::Certificate;

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_authority_opens_like_the_token() {
    let (its, ours, strange) = (Certificate::new(), Certificate::new(), Certificate::new());
    let tls =
        Tls { certificate: its.chain.clone(), key: its.key.clone(), client_ca: Some(ours.chain.clone()) };
    let platform = Platform::with(|plan| {
        plan.admin_token = Some(TOKEN.into());
        plan.admin_tls = Some(tls);
    })
    .await;
    let port = platform.node.admin.local_addr().port();
    let operator = |token: Option<&str>, identity: Option<&Certificate>| Operator {
        url: format!("https://localhost:{port}"),
        token: token.map(str::to_owned),
        ca: Some(its.chain.clone()),
        identity: identity.map(|own| Identity { certificate: own.chain.clone(), key: own.key.clone() }),
    };
    cli::tree(&operator(Some(TOKEN), None), None, true).await.expect("the token");
    cli::tree(&operator(None, Some(&ours)), None, true).await.expect("the certificate");
    let neither = cli::tree(&operator(None, None), None, true).await.expect_err("refused");
    assert!(neither.message.contains("refused the token"), "{neither}");
    cli::tree(&operator(Some(TOKEN), Some(&strange)), None, true).await.expect_err("of nobody we know");
    let plain = Operator { url: format!("http://localhost:{port}"), ..operator(Some(TOKEN), None) };
    cli::tree(&plain, None, true).await.expect_err("it is not spoken in the clear");
    let other = Operator { ca: Some(strange.chain.clone()), ..operator(Some(TOKEN), None) };
    cli::tree(&other, None, true).await.expect_err("another node than was meant");
    platform.stop().await;
}

/// As a kubelet and Prometheus ask: without a token, and without a certificate of their own.
#[tokio::test(flavor = "multi_thread")]
async fn probes_need_no_certificate_where_operators_may_show_one() {
    let (its, operators) = (Certificate::new(), Certificate::new());
    let client_ca = Some(operators.chain.clone());
    let tls = Tls { certificate: its.chain.clone(), key: its.key.clone(), client_ca };
    let platform = Platform::with(|plan| plan.admin_tls = Some(tls)).await;
    let port = platform.node.admin.local_addr().port();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(its.der.clone().into()).unwrap();
    let trust =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    for is_old in [true, false] {
        let https = HttpsConnectorBuilder::new().with_tls_config(trust.clone()).https_only();
        let https = if is_old { https.enable_http1().build() } else { https.enable_http2().build() };
        let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(https);
        for path in ["health/live", "health/ready", "health/open", "metrics"] {
            let url = format!("https://localhost:{port}/{path}").parse().unwrap();
            assert_eq!(soon(client.get(url)).await.unwrap().status(), 200, "{path}");
        }
    }
    platform.stop().await;
}
