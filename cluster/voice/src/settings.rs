//! What an engine is started with. Every limit of the engine that an operator may change is here, with its
//! default and its unit; limits nobody needs to change stay beside the code that they bound.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How an [`Engine`](crate::Engine) listens, and how much it takes on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where SIP over UDP is received. Port 0 picks one.
    pub sip_udp: SocketAddr,
    /// Where SIP over TCP is received; `None`: no TCP calls come in, though they can go out.
    pub sip_tcp: Option<SocketAddr>,
    /// The address that peers outside see, when it is not one of this host's (NAT, container).
    pub external_ip: Option<IpAddr>,
    /// Local address of the RTP sockets.
    pub rtp_bind: IpAddr,
    /// Ports of the RTP sockets, one per leg.
    pub rtp_ports: RangeInclusive<u16>,
    /// A leg without RTP from its peer for this long reports `MediaTimeout`.
    pub rtp_timeout: Duration,
    /// The `User-Agent` and `Server` of everything that is sent.
    pub user_agent: String,
    /// More legs than this are refused: 503 to callers, `Unavailable` to commands.
    pub max_legs: usize,
    /// How long a digest challenge may be answered (RFC 2617 3.2.1); later answers are challenged as stale.
    pub nonce_lifetime: Duration,
    /// The shortest and the longest binding that a REGISTER gets, in seconds.
    pub registration: RangeInclusive<u32>,
    /// What REGISTER gets when it names no expiry, in seconds.
    pub registration_default: u32,
}

impl Default for Settings {
    /// Loopback only, ports chosen by the system: safe for a laptop and for tests.
    fn default() -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Settings {
            sip_udp: SocketAddr::new(loopback, 0),
            sip_tcp: None,
            external_ip: None,
            rtp_bind: loopback,
            rtp_ports: 10_000..=19_999,
            rtp_timeout: Duration::from_secs(30),
            user_agent: concat!("Branchline/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_legs: 2_000,
            nonce_lifetime: Duration::from_secs(60),
            registration: 60..=3_600,
            registration_default: 3_600,
        }
    }
}

/// The addresses that an engine listens on, with the ports that it really got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    pub udp: SocketAddr,
    pub tcp: Option<SocketAddr>,
}
