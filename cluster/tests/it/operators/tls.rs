//! The operators' port over TLS, with clients that prove who they are.

use cluster::admin::Tls;
use cluster::cli::{self, Identity, Operator};

use super::TOKEN;
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
