//! A connection to a node, with the token in every request, or with a certificate instead of it.

use std::error::Error as _;
use std::iter::successors;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use proto::admin::v1::admin_client::AdminClient;
use protocol::{Error, Result};
use rustls::ClientConfig;
use rustls::crypto::ring;
use tokio::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::admin::{LARGEST_ANSWER, certificates, private_key, roots};

pub(crate) type Client = AdminClient<InterceptedService<Channel, Bearer>>;

/// A node that is there accepts at once, even from the other end of the world.
const CONNECT: Duration = Duration::from_secs(5);
/// A node answers within ten seconds or refuses. Streams run on.
const ANSWER: Duration = Duration::from_secs(15);
/// How often a silent node is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// Whom an operator asks, and as whom.
#[derive(Clone, Debug)]
pub struct Operator {
    /// `http://127.0.0.1:8081`
    pub url: String,
    pub token: Option<String>,
    /// The authority of the node's certificate; the public ones without it.
    pub ca: Option<PathBuf>,
    pub identity: Option<Identity>,
}

/// The files of a client certificate.
#[derive(Clone, Debug)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.0 {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        Ok(request)
    }
}

/// Connects to the node.
pub(crate) async fn connect(operator: &Operator) -> Result<Client> {
    let Operator { url, .. } = operator;
    let bearer = operator.token.as_deref().map(bearer).transpose()?;
    let endpoint = Endpoint::from_shared(url.clone())
        .map_err(|error| Error::invalid(format!("--admin: {url} is no address: {error}")))?
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    let channel = if url.starts_with("https://") {
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls(operator)?).https_only().enable_http2().build();
        endpoint.connect_with_connector(connector).await
    } else {
        endpoint.connect().await
    };
    let channel = channel.map_err(|error| unreachable(url, &error))?;
    let client = AdminClient::with_interceptor(channel, Bearer(bearer));
    Ok(client.max_decoding_message_size(LARGEST_ANSWER))
}

fn bearer(token: &str) -> Result<MetadataValue<Ascii>> {
    let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}")
        .parse()
        .map_err(|_| Error::invalid("--admin-token must be printable ASCII"))?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

fn tls(operator: &Operator) -> Result<ClientConfig> {
    let bad = |flag: &str, file: &Path, cause: String| {
        Error::invalid(format!("{flag}: the file {} cannot be used: {cause}", file.display()))
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?;
    let config = match &operator.ca {
        None => config.with_webpki_roots(),
        Some(file) => {
            let roots = roots(file).map_err(|cause| bad("--admin-ca", file, cause.to_string()))?;
            config.with_root_certificates(roots)
        }
    };
    let Some(Identity { certificate, key }) = &operator.identity else {
        return Ok(config.with_no_client_auth());
    };
    let chain =
        certificates(certificate).map_err(|cause| bad("--admin-cert", certificate, cause.to_string()))?;
    let private = private_key(key).map_err(|cause| bad("--admin-key", key, cause.to_string()))?;
    config.with_client_auth_cert(chain, private).map_err(|cause| bad("--admin-key", key, cause.to_string()))
}

/// Transport errors say what went wrong only in their innermost cause.
fn unreachable(url: &str, error: &tonic::transport::Error) -> Error {
    let cause = successors(error.source(), |error| (*error).source()).last();
    let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
    Error::unavailable(format!("cannot reach the node at {url}: {cause}"))
}

/// What a node refused, as one line.
pub(crate) fn refused(status: Status) -> Error {
    if status.code() == Code::Unauthenticated {
        return Error::invalid("the node refused the token; give its own with --data or --admin-token");
    }
    Error::unavailable(format!("the node says: {}", status.message()))
}
