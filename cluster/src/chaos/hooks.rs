//! The customer's web server: it takes webhooks and remembers under which ids it was told what.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use protocol::{Error, Result};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::client::text;

const MOST: usize = 1 << 20;
/// When the process has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// What was told of one fact: a type and a row's id.
#[derive(Clone, Default)]
pub(super) struct Told {
    /// The ids that it was told under.
    pub(super) ids: BTreeSet<String>,
    pub(super) times: usize,
}

type Log = Arc<Mutex<BTreeMap<(String, String), Told>>>;

pub(super) struct Hooks {
    at: SocketAddr,
    log: Log,
    _task: AbortOnDropHandle<()>,
}

impl Hooks {
    #[expect(clippy::disallowed_methods, reason = "the hooks own their task")]
    pub(super) async fn open() -> Result<Hooks> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::internal)?;
        let (at, log) = (listener.local_addr().map_err(Error::internal)?, Log::default());
        let task = AbortOnDropHandle::new(tokio::spawn(accept(listener, log.clone())));
        Ok(Hooks { at, log, _task: task })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.at
    }

    /// What was told of a fact so far.
    pub(super) fn told(&self, kind: &str, row: &str) -> Told {
        lock(&self.log).get(&(kind.to_owned(), row.to_owned())).cloned().unwrap_or_default()
    }
}

fn lock(log: &Log) -> MutexGuard<'_, BTreeMap<(String, String), Told>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, log: Log) {
    let mut open = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let log = log.clone();
        open.spawn(async move {
            let service = service_fn(move |request| take(log.clone(), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while open.try_join_next().is_some() {}
    }
}

async fn take(
    log: Log,
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let id = head.headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let Ok(body) = Limited::new(body, MOST).collect().await else {
        // half a webhook is none: it comes again
        return Ok(answer(400));
    };
    let event: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    let row = event.get("data").map(|data| text(data, "id")).unwrap_or_default();
    let fact = (text(&event, "type").to_owned(), row.to_owned());
    let mut log = lock(&log);
    let told = log.entry(fact).or_default();
    told.ids.insert(id);
    told.times += 1;
    Ok(answer(204))
}

fn answer(status: u16) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    answer
}
