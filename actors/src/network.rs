//! IP addresses and networks that a customer or an operator trusts. An IPv4 address inside an IPv6 one
//! (`::ffff:192.0.2.1`) is that IPv4 address: a dual-stack socket reports it so.

use std::net::IpAddr;

use protocol::{Error, Result};
use serde_json::Value;

/// Entries of one list of addresses. Each is looked at for every call that may match.
const MOST: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    /// Leading bits that count.
    prefix: u8,
}

impl Network {
    /// Reads `192.0.2.1`, `2001:db8::1`, `192.0.2.0/24`. `/0` is refused: it would trust everybody.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        (1..=longest).contains(&prefix).then_some(Network { address, prefix })
    }

    pub(crate) fn contains(self, source: IpAddr) -> bool {
        match (self.address, source.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same(own.to_bits().into(), other.to_bits().into(), 32 - self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128 - self.prefix),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn same(own: u128, other: u128, ignored: u8) -> bool {
    (own ^ other) >> ignored == 0
}

/// Is `source` in one of these networks? An entry that cannot be read matches nothing.
pub(crate) fn listed(networks: &[String], source: IpAddr) -> bool {
    networks.iter().filter_map(|text| Network::parse(text)).any(|network| network.contains(source))
}

/// The rule of a field that holds networks.
pub(crate) fn check_list(value: &Value) -> Result<()> {
    let entries = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.len() > MOST {
        return Err(Error::invalid(format!("must not have more than {MOST} entries")));
    }
    match entries.iter().find(|entry| entry.as_str().and_then(Network::parse).is_none()) {
        Some(bad) => Err(Error::invalid(format!("must hold IP addresses or networks, not {bad}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(network: &str, source: &str, expected: Option<bool>) {
        let source = source.parse().expect("an address");
        assert_eq!(Network::parse(network).map(|n| n.contains(source)), expected, "{network} {source}");
    }

    #[test]
    fn a_network_contains_its_addresses() {
        check("192.0.2.1", "192.0.2.1", Some(true));
        check("192.0.2.1", "192.0.2.2", Some(false));
        check("192.0.2.0/24", "192.0.2.255", Some(true));
        check("192.0.2.0/24", "192.0.3.0", Some(false));
        check("192.0.2.77/24", "192.0.2.1", Some(true));
        check("192.0.2.1", "::ffff:192.0.2.1", Some(true));
        check("2001:db8::/32", "2001:db8:1::9", Some(true));
        check("2001:db8::/32", "2001:db9::1", Some(false));
        check("192.0.2.0/24", "2001:db8::1", Some(false));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "example.com", "192.0.2.1/33", "192.0.2.0/0", "::/0", "2001:db8::/129", "1.2.3"] {
            check(text, "192.0.2.1", None);
        }
        assert!(check_list(&json!(["192.0.2.1", "2001:db8::/32"])).is_ok());
        assert!(check_list(&json!(["192.0.2.1", 7])).is_err());
    }
}
