//! What an operator may set about the HTTP edge. The defaults are VoIPBIN's where it has one.

use std::net::SocketAddr;
use std::path::PathBuf;

use http::HeaderName;
use tokio::time::Duration;

/// One a day is no limit that anybody means; less than it would overflow a time.
const SLOWEST: f64 = 1.0 / 86_400.0;

/// A steady rate and how much may come at once. A rate of zero or less limits nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub per_second: f64,
    pub burst: u32,
}

impl Rate {
    pub const OFF: Rate = Rate { per_second: 0.0, burst: 0 };

    pub const fn new(per_second: f64, burst: u32) -> Self {
        Rate { per_second, burst }
    }

    pub(crate) fn is_off(self) -> bool {
        let is_a_rate = self.per_second.is_finite() && self.per_second >= SLOWEST;
        !is_a_rate || self.burst == 0
    }
}

/// Section 12 of the API conventions, and one of our own against guessing passwords.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `/auth/*`, per address.
    pub auth: Rate,
    /// `/v1.0/*`, per address and process.
    pub v1: Rate,
    /// `/v1.0/*`, per customer, shared by all nodes; each node's own while the cache is away.
    pub customer: Rate,
    /// Logins, per username, shared likewise: ten tries, then one every five seconds.
    pub username: Rate,
    /// How long a request waits for a count that is shared. Past it this node counts by itself.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            auth: Rate::new(10.0, 20),
            v1: Rate::new(200.0, 400),
            customer: Rate::new(16.7, 33),
            username: Rate::new(0.2, 10),
            patience: Duration::from_millis(50),
        }
    }
}

/// Not `Debug`: it holds the key that tokens are signed with.
#[derive(Clone)]
pub struct Settings {
    pub address: SocketAddr,
    /// The files of a certificate chain and its private key, PEM. Without them the port speaks cleartext.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Signs and checks tokens (HMAC-SHA256).
    pub jwt_key: Vec<u8>,
    pub limits: Limits,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// How long a client may take for a TLS handshake, for the head of a request, and between two requests.
    pub header_timeout: Duration,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// Connections at a time; one more is closed at once.
    pub connections: usize,
    /// WebSockets at a time; one more is answered 503.
    pub sockets: usize,
    /// How often a WebSocket is pinged, and its credential looked at again.
    pub ping: Duration,
    /// How long a WebSocket may leave pings unanswered.
    pub silence: Duration,
    /// Believed about the address of the client, if set (`cf-connecting-ip`). Only behind a proxy that
    /// always sets it: else every client chooses the address it is limited by.
    pub client_address_header: Option<HeaderName>,
}

impl Settings {
    pub fn new(address: SocketAddr, jwt_key: Vec<u8>) -> Self {
        Settings {
            address,
            tls: None,
            jwt_key,
            limits: Limits::default(),
            body_limit: 1 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            connections: 10_000,
            sockets: 10_000,
            ping: Duration::from_secs(10),
            silence: Duration::from_secs(60),
            client_address_header: None,
        }
    }
}
