//! What to do with a SIP request before anything in it is trusted.

use std::net::IpAddr;
use std::sync::Arc;

use protocol::ports::Filter;
use protocol::ports::voice::Subject;
use protocol::{Context, Result, Scope, read};
use serde::Deserialize;
use uuid::Uuid;

use super::Registrar;
use super::api::{FindGate, GateAnswer};
use super::host::{Host, registrar_realm, trunk_realm};
use super::trunk::Auth;
use crate::network;
use crate::route::api::{FindCarrier, PROVIDER};

#[derive(Deserialize)]
struct Trunk {
    id: Uuid,
    customer_id: Uuid,
    auth_types: Vec<Auth>,
    allowed_ips: Vec<String>,
}

pub(super) async fn gate(registrar: Arc<Registrar>, by: Context, command: FindGate) -> Result<GateAnswer> {
    let base = &registrar.deps.settings.domain;
    match place(&command, base) {
        // the same answer for customers that are not: nobody learns who is one
        Host::Registrar { customer } => Ok(GateAnswer::Challenge { realm: registrar_realm(customer, base) }),
        Host::Trunk { name } => trunk(&registrar, &name, command.source).await,
        Host::Public | Host::Address => {
            Ok(carrier(&registrar, &by, &command).await?.unwrap_or(GateAnswer::Open))
        }
        Host::Pstn | Host::Foreign => {
            Ok(carrier(&registrar, &by, &command).await?.unwrap_or(GateAnswer::Unknown))
        }
    }
}

/// Who dials an address may still say in From where it belongs.
fn place(command: &FindGate, base: &str) -> Host {
    let host = Host::of(&command.domain, base);
    if host != Host::Address {
        return host;
    }
    match Host::of(&command.from_domain, base) {
        from @ (Host::Registrar { .. } | Host::Trunk { .. }) => from,
        Host::Pstn | Host::Public | Host::Address | Host::Foreign => Host::Address,
    }
}

async fn carrier(registrar: &Registrar, by: &Context, command: &FindGate) -> Result<Option<GateAnswer>> {
    let found = registrar.deps.ask_all(&PROVIDER, FindCarrier { source: command.source }, by).await?;
    Ok(found.map(|id| GateAnswer::Trusted(Subject::Carrier { id })))
}

async fn trunk(registrar: &Registrar, name: &str, source: IpAddr) -> Result<GateAnswer> {
    let row = registrar.trunks().find(Scope::Platform, Filter::by("domain_name", name)).await?;
    let Some(trunk) = row.map(|row| read::<Trunk>(&row)).transpose()? else {
        return Ok(GateAnswer::Unknown);
    };
    Ok(answer(&trunk, source, trunk_realm(name, &registrar.deps.settings.domain)))
}

fn answer(trunk: &Trunk, source: IpAddr, realm: String) -> GateAnswer {
    if trunk.auth_types.contains(&Auth::Ip) && network::listed(&trunk.allowed_ips, source) {
        return GateAnswer::Trusted(Subject::Trunk { id: trunk.id, customer_id: trunk.customer_id });
    }
    match trunk.auth_types.contains(&Auth::Basic) {
        true => GateAnswer::Challenge { realm },
        false => GateAnswer::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(auth_types: &[Auth], source: &str, expected: GateAnswer) {
        let trunk = Trunk {
            id: Uuid::from_u128(1),
            customer_id: Uuid::from_u128(2),
            auth_types: auth_types.to_vec(),
            allowed_ips: vec!["192.0.2.0/24".into()],
        };
        let source = source.parse().expect("an address");
        assert_eq!(answer(&trunk, source, "office".into()), expected, "{auth_types:?} {source}");
    }

    #[test]
    fn a_call_to_an_address_belongs_where_it_says_it_comes_from() {
        let of = |domain: &str, from_domain: &str| {
            let source = [192, 0, 2, 1].into();
            place(&FindGate { domain: domain.into(), from_domain: from_domain.into(), source }, "example.com")
        };
        let office = Host::Trunk { name: "office".into() };
        assert_eq!(of("10.0.0.1", "office.trunk.example.com"), office);
        assert_eq!(of("10.0.0.1", "pstn.example.com"), Host::Address);
        assert_eq!(of("10.0.0.1", "10.0.0.9"), Host::Address);
        assert_eq!(of("sip.example.com", "office.trunk.example.com"), Host::Public);
    }

    #[test]
    fn a_trunk_is_known_by_its_address_or_challenged() {
        let trusted = || {
            GateAnswer::Trusted(Subject::Trunk { id: Uuid::from_u128(1), customer_id: Uuid::from_u128(2) })
        };
        let challenge = || GateAnswer::Challenge { realm: "office".into() };
        check(&[Auth::Ip], "192.0.2.9", trusted());
        check(&[Auth::Ip], "198.51.100.1", GateAnswer::Unknown);
        check(&[Auth::Basic], "192.0.2.9", challenge());
        check(&[Auth::Basic, Auth::Ip], "192.0.2.9", trusted());
        check(&[Auth::Basic, Auth::Ip], "198.51.100.1", challenge());
    }
}
