//! One connection: its handshake, its protocol, its limits, and its end.
//!
//! A connection on which no request has begun in time is closed: hyper's own time-out starts only when it
//! knows the protocol, and a client that sends half a preface would stay for ever.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::front::Front;

/// The head of a request, and what is read ahead.
const BUFFER: usize = 64 * 1024;

/// Requests at a time on one HTTP/2 connection, and resets a client may have outstanding (rapid reset).
const STREAMS: u32 = 200;
const RESETS: usize = 50;
const HEADERS: u32 = 32 * 1024;

/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

pub(crate) struct Desk {
    front: Arc<Front>,
    tls: Option<TlsAcceptor>,
    http: Builder<Tasks>,
    patience: Duration,
    stop: CancellationToken,
    cut: CancellationToken,
}

/// Runs the streams of HTTP/2 connections where [`crate::Server`] can end them.
#[derive(Clone)]
struct Tasks(TaskTracker, CancellationToken);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, stream: F) {
        let cut = self.1.clone();
        self.0.spawn(async move {
            cut.run_until_cancelled(stream).await;
        });
    }
}

impl Desk {
    pub(crate) fn new(
        front: Arc<Front>,
        tls: Option<TlsAcceptor>,
        patience: Duration,
        (tasks, stop, cut): (TaskTracker, CancellationToken, CancellationToken),
    ) -> Self {
        let mut http = Builder::new(Tasks(tasks, cut.clone()));
        http.http1().timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(BUFFER);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(RESETS)
            .max_header_list_size(HEADERS);
        Desk { front, tls, http, patience, stop, cut }
    }

    pub(crate) async fn serve(&self, stream: TcpStream, peer: IpAddr) {
        // answers are one write each; waiting for more to send only delays them
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.converse(TokioIo::new(stream), peer).await };
        match self.cut.run_until_cancelled(timeout(self.patience, tls.accept(stream))).await {
            Some(Ok(Ok(stream))) => self.converse(TokioIo::new(stream), peer).await,
            Some(Ok(Err(error))) => debug!(%error, "no TLS"),
            Some(Err(_)) | None => {}
        }
    }

    async fn converse<I: Read + Write + Unpin + Send + 'static>(&self, io: I, peer: IpAddr) {
        let begun = Arc::new(AtomicBool::new(false));
        let (front, mark) = (self.front.clone(), begun.clone());
        let service = service_fn(move |request| {
            mark.store(true, Ordering::Relaxed);
            let front = front.clone();
            async move { Ok::<_, Infallible>(front.serve(request, peer).await) }
        });
        let mut connection = pin!(self.http.serve_connection_with_upgrades(io, service));
        let mut silence = pin!(sleep(self.patience));
        let mut is_watched = true;
        let mut is_stopping = false;
        loop {
            tokio::select! {
                outcome = poll_fn(|cx| connection.as_mut().poll(cx)) => {
                    return outcome.unwrap_or_else(|error| debug!(%error, "connection broken"));
                }
                () = silence.as_mut(), if is_watched => {
                    is_watched = false;
                    if !begun.load(Ordering::Relaxed) {
                        return;
                    }
                }
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.cut.cancelled() => return,
            }
        }
    }
}
