//! HTTP requests to places that customers chose.
//!
//! Nothing is checked on the text of a host: whatever its spelling, the address that it came to is checked
//! by the connector, and that very address is connected to. A connection is reused only for the same scheme,
//! host and port, and the list of exceptions is fixed when the client is made; so a reused connection ends
//! where the check has let it.

mod connector;
mod network;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use protocol::ports::{Answer, Outward, Send};
use protocol::{Error, Result, Status};
use tokio::time::{Duration, timeout};

use connector::{Connector, Forbidden};
pub use network::{Allow, Reach};

/// The longest that one request may take, whatever its sender asks for.
const LONGEST: Duration = Duration::from_secs(120);
/// Idle connections are closed before most servers close theirs.
const IDLE: Duration = Duration::from_secs(15);
/// Idle connections to one host: a burst of webhooks, not a reserve.
const IDLE_PER_HOST: usize = 4;

/// Headers that frame the message or name its receiver; they follow from the request itself.
const RESERVED: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
];

/// The client. Connections are HTTP/1.1, with TLS by the roots of the web.
pub struct Web {
    connector: Connector,
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
}

impl Web {
    /// `reach` says which addresses may be connected to.
    pub fn new(reach: Reach) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .with_webpki_roots()
            .with_no_client_auth();
        let connector = Connector::new(reach);
        let connect = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector.clone());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build(connect);
        Ok(Web { connector, client })
    }
}

#[async_trait]
impl Outward for Web {
    /// `InvalidArgument` for what cannot be sent, with reason `ADDRESS_FORBIDDEN` for where it may not go;
    /// `Unavailable` when nobody answers there, or not in time. Any status that is answered is a success.
    async fn send(&self, request: Send) -> Result<Answer> {
        let within = request.timeout.min(LONGEST);
        let most = request.most;
        let request = prepare(request)?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| failure(&error))?;
            read(response, most).await
        };
        timeout(within, exchange).await.map_err(|_| late(within))?
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<SocketAddr> {
        let found =
            self.connector.checked(host, port).await.map_err(|fault| match fault.is::<Forbidden>() {
                true => forbidden(&Forbidden.to_string()),
                false => Error::unavailable(format!("{host} has no address: {fault}")),
            })?;
        found.first().copied().ok_or_else(|| Error::unavailable(format!("{host} has no address")))
    }
}

fn prepare(send: Send) -> Result<Request<Full<Bytes>>> {
    let uri = target(&send.url)?;
    let mut request = Request::new(Full::new(send.body));
    *request.method_mut() = send.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers(send.headers)?;
    Ok(request)
}

fn target(url: &str) -> Result<Uri> {
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    let uri: Uri = url.parse().map_err(|_| Error::invalid("the URL cannot be read"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(forbidden("only http and https URLs are allowed"));
    }
    let authority = uri.authority().ok_or_else(|| Error::invalid("the URL names no host"))?;
    if authority.as_str().contains('@') {
        return Err(forbidden("a URL with a user name or password is not allowed"));
    }
    let (host, port) = (authority.host(), uri.port_u16());
    if host.is_empty() || host == "[]" || (port.is_none() && authority.as_str().len() > host.len()) {
        return Err(Error::invalid("the URL names no host, or a port that cannot be"));
    }
    Ok(uri)
}

fn headers(pairs: Vec<(String, String)>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let bad = || Error::invalid(format!("the header {name:?} cannot be sent"));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        if RESERVED.contains(&key) {
            return Err(bad());
        }
        headers.append(key, HeaderValue::from_str(&value).map_err(|_| bad())?);
    }
    Ok(headers)
}

async fn read(response: Response<Incoming>, most: usize) -> Result<Answer> {
    let status = response.status().as_u16();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let too_long = || Error::unavailable(format!("the answer is longer than {most} bytes"));
    if response.body().size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
        return Err(too_long());
    }
    let body = Limited::new(response.into_body(), most).collect().await.map_err(|error| {
        match error.is::<LengthLimitError>() {
            true => too_long(),
            false => Error::unavailable(format!("the answer broke off: {}", chain(error.as_ref()))),
        }
    })?;
    Ok(Answer { status, content_type, body: body.to_bytes() })
}

fn failure(error: &hyper_util::client::legacy::Error) -> Error {
    if causes(error).any(|cause| cause.is::<Forbidden>()) {
        return forbidden(&Forbidden.to_string());
    }
    Error::unavailable(format!("the request could not be sent: {}", chain(error)))
}

/// The innermost cause says what happened; those around it say that something did.
fn chain(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

fn forbidden(message: &str) -> Error {
    Error::new(Status::InvalidArgument, "ADDRESS_FORBIDDEN", message)
}

fn late(within: Duration) -> Error {
    Error::unavailable(format!("no complete answer came within {} ms", within.as_millis()))
}
