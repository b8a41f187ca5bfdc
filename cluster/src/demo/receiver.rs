//! The customer's own web server: it serves the prompt and takes the webhooks, trusting none unsigned.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};

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
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const MOST: usize = 1 << 20;
/// The prompt's tone, in Hz: what the phone listens for.
pub(super) const PROMPT: u16 = 600;

#[derive(Default)]
struct Desk {
    secret: OnceLock<String>,
    /// Types of the webhooks whose signature was right.
    verified: Mutex<Vec<String>>,
    forged: Mutex<usize>,
}

pub(super) struct Receiver {
    address: SocketAddr,
    desk: Arc<Desk>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Receiver {
    pub(super) async fn start() -> Result<Receiver> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::internal)?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let (desk, stop, tasks) = (Arc::new(Desk::default()), CancellationToken::new(), TaskTracker::new());
        tasks.spawn(accept(listener, desk.clone(), stop.clone()));
        tasks.close();
        Ok(Receiver { address, desk, stop, tasks })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn trust(&self, secret: &str) {
        let _ = self.desk.secret.set(secret.to_owned());
    }

    /// The types of the webhooks that came with a right signature, or an error if one did not.
    pub(super) fn verified(&self) -> Result<Vec<String>> {
        let forged = *self.desk.forged.lock().expect("nothing panics while it holds this");
        if forged > 0 {
            return Err(Error::internal(format!("{forged} webhooks had no right signature")));
        }
        Ok(self.desk.verified.lock().expect("nothing panics while it holds this").clone())
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>, stop: CancellationToken) {
    let mut open = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            stream = listener.accept() => stream,
        };
        let Ok((stream, _)) = stream else { continue };
        let desk = desk.clone();
        open.spawn(async move {
            let service = service_fn(move |request| serve(desk.clone(), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while open.try_join_next().is_some() {}
    }
}

async fn serve(
    desk: Arc<Desk>,
    request: Request<Incoming>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/prompt.wav" {
        return Ok(Response::new(Full::from(prompt())));
    }
    let signature = header(&request, "x-voipbin-signature");
    let body = Limited::new(request.into_body(), MOST)
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    take(&desk, &signature, &body);
    Ok(Response::new(Full::default()))
}

fn header(request: &Request<Incoming>, name: &str) -> String {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn take(desk: &Desk, signature: &str, body: &[u8]) {
    let hex = signature.strip_prefix("sha256=").unwrap_or_default();
    let tag: Option<Vec<u8>> =
        (0..hex.len() / 2).map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()).collect();
    let secret = desk.secret.get().map(String::as_str).unwrap_or_default();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let right = tag.is_some_and(|tag| ring::hmac::verify(&key, body, &tag).is_ok());
    if !right {
        *desk.forged.lock().expect("nothing panics while it holds this") += 1;
        return;
    }
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    println!("  webhook   {kind} (signature verified)");
    desk.verified.lock().expect("nothing panics while it holds this").push(kind);
}

/// A second of the prompt's tone as a WAV file: 16-bit PCM, mono, 8 kHz.
fn prompt() -> Vec<u8> {
    const RATE: u32 = 8000;
    let samples = (0..RATE).map(|at| {
        let angle = 2.0 * std::f64::consts::PI * f64::from(PROMPT) * f64::from(at) / f64::from(RATE);
        (angle.sin() * 12_000.0) as i16
    });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let length = data.len() as u32;
    let mut wav = Vec::with_capacity(44 + data.len());
    wav.extend(b"RIFF");
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(RATE.to_le_bytes());
    wav.extend((2 * RATE).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(length.to_le_bytes());
    wav.extend(data);
    wav
}
