//! Where a call to the telephone network goes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use protocol::{Command, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use super::{PROVIDER, ROUTE};

/// The carriers for a number, best first. Asked of the collection of routes.
#[derive(Serialize, Deserialize)]
pub(crate) struct FindRoutes {
    pub(crate) customer_id: Uuid,
    /// E.164 with `+`.
    pub(crate) number: String,
    /// Only these providers, in this order, instead of the routes.
    #[serde(default)]
    pub(crate) provider_ids: Vec<Uuid>,
}

impl Command for FindRoutes {
    const VERB: Verb = Verb::internal("find");
    type Reply = Vec<DialRoute>;
}

/// One way to a carrier. A call carries the list it was given: the order is the order of failover.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DialRoute {
    pub(crate) route_id: Uuid,
    pub(crate) provider_id: Uuid,
    /// `host` or `host:port`.
    pub(crate) hostname: String,
    /// `udp` or `tcp`.
    pub(crate) transport: String,
    pub(crate) tech_prefix: String,
    pub(crate) tech_postfix: String,
    pub(crate) tech_headers: BTreeMap<String, String>,
    /// Comma separated, best first; empty: the engine's own.
    pub(crate) codecs: String,
    pub(crate) username: String,
    /// In the clear: this answer stays between domains and is not stored.
    pub(crate) password: String,
    pub(crate) realm: String,
}

/// How an attempt through a provider went: a carrier that fails again and again goes to the end of the list.
/// Asked of one provider.
#[derive(Serialize, Deserialize)]
pub(crate) struct ReportAttempt {
    pub(crate) healthy: bool,
}

impl Command for ReportAttempt {
    const VERB: Verb = Verb::internal("report");
    type Reply = ();
}

/// The carrier whose calls come from this address. Asked of the collection of providers.
#[derive(Serialize, Deserialize)]
pub(crate) struct FindCarrier {
    pub(crate) source: IpAddr,
}

impl Command for FindCarrier {
    const VERB: Verb = Verb::internal("find_carrier");
    type Reply = Option<Uuid>;
}
