//! The names below the base domain and what each is for. The only place that takes a SIP host apart.

use std::net::IpAddr;

use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// `<customer>.registrar.<base>`: telephones of a customer. Its realm is the host itself.
    Registrar {
        customer: Uuid,
    },
    /// `<name>.trunk.<base>`: a switch of a customer.
    Trunk {
        name: String,
    },
    /// `pstn.<base>`: carriers.
    Pstn,
    /// `<base>`, `sip.<base>`, `conference.<base>`: anybody.
    Public,
    /// A bare IP address: whoever calls did not learn a name.
    Address,
    Foreign,
}

impl Host {
    pub(super) fn of(host: &str, base: &str) -> Self {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return Host::Address;
        }
        let Some(below) = host.strip_suffix(&base.to_ascii_lowercase()) else { return Host::Foreign };
        match below {
            "" | "sip." | "conference." => Host::Public,
            "pstn." => Host::Pstn,
            below => Self::named(below),
        }
    }

    fn named(below: &str) -> Self {
        if let Some(customer) = below.strip_suffix(".registrar.").and_then(|id| id.parse().ok()) {
            return Host::Registrar { customer };
        }
        match below.strip_suffix(".trunk.") {
            Some(name) if !name.is_empty() => Host::Trunk { name: name.to_owned() },
            Some(_) | None => Host::Foreign,
        }
    }
}

/// The domain of a customer's telephones.
pub(crate) fn registrar_realm(customer: Uuid, base: &str) -> String {
    format!("{customer}.registrar.{base}")
}

pub(super) fn trunk_realm(name: &str, base: &str) -> String {
    format!("{name}.trunk.{base}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: Host) {
        assert_eq!(Host::of(host, "Example.com"), expected, "{host}");
    }

    #[test]
    fn every_host_is_for_one_thing() {
        let customer = Uuid::from_u128(7);
        check("example.com", Host::Public);
        check("SIP.example.com.", Host::Public);
        check("conference.example.com", Host::Public);
        check("pstn.example.com", Host::Pstn);
        check(&registrar_realm(customer, "example.com"), Host::Registrar { customer });
        check(&trunk_realm("office", "example.com"), Host::Trunk { name: "office".into() });
        check("a.b.trunk.example.com", Host::Trunk { name: "a.b".into() });
        check("192.0.2.1", Host::Address);
        check("[2001:db8::1]", Host::Address);
    }

    #[test]
    fn what_only_looks_like_ours_is_foreign() {
        for host in
            ["", "notexample.com", "example.com.evil.org", "x.registrar.example.com", ".trunk.example.com"]
        {
            check(host, Host::Foreign);
        }
        check("trunk.example.com", Host::Foreign);
        check("other.example.com", Host::Foreign);
    }
}
