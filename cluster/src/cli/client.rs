//! A connection to a node, with the token in every request.

use std::error::Error as _;
use std::iter::successors;

use proto::admin::v1::admin_client::AdminClient;
use protocol::{Error, Result};
use tokio::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::admin::LARGEST_ANSWER;

pub(crate) type Client = AdminClient<InterceptedService<Channel, Bearer>>;

/// A node that is there accepts at once, even from the other end of the world.
const CONNECT: Duration = Duration::from_secs(5);
/// A node answers within ten seconds or refuses. Streams run on.
const ANSWER: Duration = Duration::from_secs(15);
/// How often a silent node is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Connects to the node at `url` (`http://127.0.0.1:8081`).
pub(crate) async fn connect(url: &str, token: &str) -> Result<Client> {
    if !url.starts_with("http://") {
        return Err(Error::invalid(format!(
            "--admin: {url} must begin with http://; use a tunnel to encrypt it"
        )));
    }
    let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}")
        .parse()
        .map_err(|_| Error::invalid("--admin-token must be printable ASCII"))?;
    bearer.set_sensitive(true);
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|error| Error::invalid(format!("--admin: {url} is no address: {error}")))?
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    let channel = endpoint.connect().await.map_err(|error| unreachable(url, &error))?;
    let client = AdminClient::with_interceptor(channel, Bearer(bearer));
    Ok(client.max_decoding_message_size(LARGEST_ANSWER))
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
