//! A hyper server that does nothing but answer: the least that any HTTP API here can cost.

use std::convert::Infallible;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::{Error, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) const ROLE: &str = "bare";
/// hyper writes these itself.
const OWN: [&str; 2] = ["content-length", "date"];

/// Writes the answer down for the process that shall give it: headers, an empty line, the body.
pub(crate) fn keep(answer: &Response<Bytes>, file: &Path) -> Result<()> {
    let mut text = Vec::new();
    for (name, value) in answer.headers().iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    }
    text.push(b'\n');
    text.extend(answer.body());
    std::fs::write(file, text).map_err(Error::internal)
}

fn read(file: &str) -> Result<(HeaderMap, Bytes)> {
    let text = std::fs::read_to_string(file).map_err(Error::internal)?;
    let (head, body) = text.split_once("\n\n").ok_or_else(|| Error::internal("no empty line"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(Error::internal)?;
        headers.append(name, HeaderValue::from_str(value).map_err(Error::internal)?);
    }
    Ok((headers, Bytes::from(body.to_owned())))
}

/// Serves the address and the answer that the arguments name, until the process is told to end.
pub(crate) async fn serve() -> Result<()> {
    let mut arguments = std::env::args().skip(2);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err(Error::invalid("an address and a file are needed"));
    };
    let (headers, body) = read(&file)?;
    let listener = TcpListener::bind(address).await.map_err(Error::internal)?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.map_err(Error::internal)?;
        connections.spawn(answer(stream, headers.clone(), body.clone()));
    }
}

async fn answer(stream: TcpStream, headers: HeaderMap, body: Bytes) {
    // as the gateway has it; a connection without it still answers
    let _ = stream.set_nodelay(true);
    let service = service_fn(|_| {
        let mut response = Response::new(Full::new(body.clone()));
        *response.headers_mut() = headers.clone();
        async { Ok::<_, Infallible>(response) }
    });
    let served =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // a client that goes away is the end of its connection
    let _ = served.await;
}
