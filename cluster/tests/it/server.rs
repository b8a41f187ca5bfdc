//! A customer's web server: what it answers depends on the path, and it remembers what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::api::{LOOK, PATIENCE};
use crate::platform::{HERE, free_port};

/// Takes everything.
pub(crate) const TAKES: &str = "/takes";
/// Answers 500 to the first request, and takes all later ones.
pub(crate) const FAILS_ONCE: &str = "/fails-once";
/// Sends everybody to [`TAKES`].
pub(crate) const MOVED: &str = "/moved";
/// Never answers.
pub(crate) const HANGS: &str = "/hangs";

#[derive(Clone)]
pub(crate) struct Asked {
    path: String,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Log = Arc<Mutex<Vec<Asked>>>;

pub(crate) struct Server {
    at: SocketAddr,
    log: Log,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let listener = TcpListener::bind((HERE, free_port())).await.unwrap();
        let (at, log) = (listener.local_addr().unwrap(), Log::default());
        let (seen, mut tasks) = (log.clone(), JoinSet::new());
        tasks.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                served.spawn(serve(stream, seen.clone()));
            }
        });
        Server { at, log, _tasks: tasks }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.log.lock().unwrap().iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// What it was asked at this path, once that is `count` requests or more.
    pub(crate) async fn is_asked(&self, path: &str, count: usize) -> Vec<Asked> {
        let limit = Instant::now() + PATIENCE;
        loop {
            let asked = self.asked(path);
            if asked.len() >= count {
                return asked;
            }
            assert!(Instant::now() < limit, "{path}: asked {} times, not {count}", asked.len());
            sleep(LOOK).await;
        }
    }
}

async fn serve(stream: TcpStream, log: Log) {
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let log = log.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let asked = Asked { path: head.uri.path().to_owned(), headers: head.headers, body };
            Ok::<_, Infallible>(answer(&log, asked).await)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(log: &Log, asked: Asked) -> Response<Full<Bytes>> {
    let path = asked.path.clone();
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked);
        log.iter().filter(|asked| asked.path == path).count() - 1
    };
    let response = match path.as_str() {
        HANGS => std::future::pending().await,
        FAILS_ONCE if before == 0 => Response::builder().status(500),
        MOVED => Response::builder().status(307).header("location", TAKES),
        _ => Response::builder().status(204),
    };
    response.body(Full::default()).unwrap()
}
