//! Which addresses may be connected to: everything public, and what the operator allows.
//!
//! IPv4 addresses in IPv6 clothes (`::ffff:10.0.0.1`) are undressed first; the other ways to write one into
//! the other (NAT64, 6to4, Teredo, compatible) are forbidden whole, because where they end is up to the network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Addresses whose first `bits` bits are those of `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    bits: u8,
}

const fn v4(a: u8, b: u8, c: u8, bits: u8) -> Network {
    Network { base: IpAddr::V4(Ipv4Addr::new(a, b, c, 0)), bits }
}

const fn v6(a: u16, b: u16, bits: u8) -> Network {
    Network { base: IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)), bits }
}

/// Nothing here is a place on the public internet (IANA special-purpose registries, RFC 6890).
const SPECIAL: [Network; 25] = [
    v4(0, 0, 0, 8),       // this network
    v4(10, 0, 0, 8),      // private
    v4(100, 64, 0, 10),   // carrier-grade NAT
    v4(127, 0, 0, 8),     // loopback
    v4(169, 254, 0, 16),  // link-local, metadata services
    v4(172, 16, 0, 12),   // private
    v4(192, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 24),    // documentation
    v4(192, 31, 196, 24), // AS112
    v4(192, 52, 193, 24), // AMT
    v4(192, 88, 99, 24),  // 6to4 relays
    v4(192, 168, 0, 16),  // private
    v4(192, 175, 48, 24), // AS112
    v4(198, 18, 0, 15),   // benchmarking
    v4(198, 51, 100, 24), // documentation
    v4(203, 0, 113, 24),  // documentation
    v4(224, 0, 0, 4),     // multicast
    v4(240, 0, 0, 4),     // reserved, broadcast
    // Only 2000::/3 is global unicast. What lies around it holds ::, ::1, v4-compatible, 64:ff9b::/96 (NAT64),
    // fc00::/7 (private), fe80::/10 (link-local), ff00::/8 (multicast).
    v6(0, 0, 3),
    v6(0x4000, 0, 2),
    v6(0x8000, 0, 1),
    v6(0x2001, 0, 23),     // protocol assignments: Teredo, benchmarking, ORCHID
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4
    v6(0x3fff, 0, 20),     // documentation
];

impl Network {
    fn holds(self, ip: IpAddr) -> bool {
        let same = |one: u128, other: u128, width: u8| {
            let rest = u32::from(width.saturating_sub(self.bits));
            one.checked_shr(rest).unwrap_or(0) == other.checked_shr(rest).unwrap_or(0)
        };
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => same(u32::from(base).into(), u32::from(ip).into(), 32),
            (IpAddr::V6(base), IpAddr::V6(ip)) => same(base.into(), ip.into(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// An exception that the operator makes: `10.0.0.0/8`, `127.0.0.1:9000`, `fd00::1`, `[fd00::]/8`,
/// `[::1]:9000`. Names are no exceptions, because what they come to is up to whoever runs the name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allow {
    network: Network,
    port: Option<u16>,
}

impl Allow {
    fn covers(self, address: SocketAddr) -> bool {
        self.network.holds(address.ip().to_canonical()) && self.port.is_none_or(|port| port == address.port())
    }
}

impl FromStr for Allow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("{text:?} is no address or network, as in 10.0.0.0/8, 127.0.0.1:9000 or [::1]:9000");
        let (ip, rest) = match text.strip_prefix('[') {
            Some(inner) => inner.split_once(']').ok_or_else(bad)?,
            // A bare IPv6 address takes no port: its last group would read as one.
            None => text.split_at(end_of_ip(text)),
        };
        let (bits, port) = match rest.split_once(':') {
            Some((bits, port)) => (bits, Some(port.parse().map_err(|_| bad())?)),
            None => (rest, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| bad())?;
        let width = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match bits.strip_prefix('/') {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= width).ok_or_else(bad)?,
            None if bits.is_empty() => width,
            None => return Err(bad()),
        };
        Ok(Allow { network: Network { base: ip, bits }, port })
    }
}

fn end_of_ip(text: &str) -> usize {
    let stops: &[char] = if text.matches(':').count() > 1 { &['/'] } else { &['/', ':'] };
    text.find(stops).unwrap_or(text.len())
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]/{}", self.network.base, self.network.bits)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Where a client may go.
#[derive(Clone, Debug)]
pub enum Reach {
    /// The public internet and these exceptions: for URLs that customers chose.
    Public(Vec<Allow>),
    /// Everywhere: for URLs that the operator chose.
    Anywhere,
}

impl Reach {
    pub(super) fn admits(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        match self {
            Reach::Anywhere => true,
            Reach::Public(exceptions) => {
                !SPECIAL.iter().any(|network| network.holds(ip))
                    || exceptions.iter().any(|allow| allow.covers(address))
            }
        }
    }
}
