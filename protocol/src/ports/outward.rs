//! HTTP requests to places that customers chose: webhooks, fetched flows, media.

use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Duration;

use crate::Result;

/// One request. Redirects are never followed.
#[derive(Clone, Debug)]
pub struct Send {
    pub method: http::Method,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub timeout: Duration,
    /// The longest answer that is read, in bytes; a longer one is an error.
    pub most: usize,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: Bytes,
}

#[async_trait]
pub trait Outward: core::marker::Send + Sync {
    /// Sends the request. Addresses are checked when the connection is made, on what the name resolved to:
    /// private, local and reserved ones are refused with `InvalidArgument`, reason `ADDRESS_FORBIDDEN`.
    async fn send(&self, request: Send) -> Result<Answer>;

    /// The address of a host that a customer chose, checked in the same way: whoever connects, connects to
    /// exactly this one.
    async fn resolve(&self, host: &str, port: u16) -> Result<SocketAddr>;
}
