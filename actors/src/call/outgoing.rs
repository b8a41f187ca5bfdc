//! Placing one outgoing call: may it be, as whom, through whom; then a row, an actor, a leg.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::ports::voice::{Caller, Contact, Credentials, Dial, Transport};
use protocol::{Address, Context, Error, Result, Row, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::api::Chain;
use super::calls::{Calls, patch};
use super::session::Msg;
use super::status::Reason;
use super::{CALL, outbound};
use crate::agent::api::{AGENT, FindByAddress};
use crate::billing::api::{ACCOUNT, ReserveCall};
use crate::customer::api::{CUSTOMER, Profile, ReadProfile};
use crate::registrar::api::registrar_realm;
use crate::route::api::{DialRoute, FindRoutes, PROVIDER, ROUTE, ReportAttempt};

/// How long the called party may ring, in milliseconds.
const RING_TIME: u64 = 60_000;

/// One call to place. Serialized it is a leg of a group that waits for its turn.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Leg {
    pub(super) id: Uuid,
    pub(super) source: Address,
    pub(super) destination: Address,
    /// A registered phone's contact, when the destination is an extension.
    pub(super) contact: Option<Contact>,
    pub(super) owner_id: Uuid,
    pub(super) flow_id: Uuid,
    pub(super) actions: Vec<Value>,
    pub(super) variables: Map<String, Value>,
    pub(super) master_call_id: Uuid,
    pub(super) groupcall_id: Uuid,
    pub(super) confbridge_id: Uuid,
    pub(super) anonymous: String,
    pub(super) early_execution: bool,
}

/// The ways to place one call, best first, and which is being tried.
#[derive(Clone)]
pub(super) struct Attempts {
    ways: Vec<Way>,
    at: usize,
}

#[derive(Clone)]
struct Way {
    provider: Uuid,
    dial: Dial,
}

impl Attempts {
    pub(super) fn dial(&self) -> Dial {
        self.ways[self.at].dial.clone()
    }

    pub(super) fn provider(&self) -> Uuid {
        self.ways[self.at].provider
    }

    /// Goes on to the next way, if there is one.
    pub(super) fn next(&mut self) -> bool {
        let more = self.at + 1 < self.ways.len();
        self.at += usize::from(more);
        more
    }

    /// Tells the route domain how the carrier did.
    pub(super) async fn report(self: Box<Self>, calls: Arc<Calls>, healthy: bool) -> Msg {
        let provider = self.provider();
        if !provider.is_nil() {
            let by = Context::own(protocol::Scope::Platform);
            let _ = calls.deps.ask(&PROVIDER, provider, ReportAttempt { healthy }, &by).await;
        }
        Msg::Done
    }
}

/// Checks everything, then stores the call and starts it. What is refused left no trace.
pub(super) async fn place(calls: &Arc<Calls>, by: &Context, leg: Leg) -> Result<Row> {
    let customer = by.customer()?;
    let profile = calls.deps.ask(&CUSTOMER, customer, ReadProfile {}, by).await?;
    if profile.status != "active" {
        return Err(Error::new(Status::PermissionDenied, "STATE_INVALID", "The customer is not active."));
    }
    let (source, attempts) = match leg.destination.r#type.as_str() {
        "tel" => carriers(calls, by, &profile, &leg).await?,
        "sip" => (leg.source.clone(), vec![to_sip(calls, &leg).await?]),
        "extension" => (leg.source.clone(), vec![to_contact(calls, customer, &leg)?]),
        other => {
            return Err(Error::invalid(format!("a call cannot be placed to an address of type {other:?}")));
        }
    };
    let reserve = ReserveCall {
        call_id: leg.id,
        direction: "outgoing".into(),
        source: source.clone(),
        destination: leg.destination.clone(),
    };
    calls.deps.ask_all(&ACCOUNT, reserve, by).await?;
    store(calls, by, Leg { source, ..leg }, attempts).await
}

async fn store(calls: &Arc<Calls>, by: &Context, leg: Leg, ways: Vec<Way>) -> Result<Row> {
    let owner = match leg.owner_id.is_nil() {
        true => owner_of(calls, by, &leg.destination).await,
        false => leg.owner_id,
    };
    let attempts = Attempts { ways, at: 0 };
    let row = patch([
        ("id", json!(leg.id)),
        ("owner_type", json!(if owner.is_nil() { "" } else { "agent" })),
        ("owner_id", json!(owner)),
        ("flow_id", json!(leg.flow_id)),
        ("activeflow_id", json!(Uuid::now_v7())),
        ("type", json!("flow")),
        ("master_call_id", json!(leg.master_call_id)),
        ("groupcall_id", json!(leg.groupcall_id)),
        ("confbridge_id", json!(leg.confbridge_id)),
        ("source", json!(leg.source)),
        ("destination", json!(leg.destination)),
        ("status", json!("dialing")),
        ("direction", json!("outgoing")),
        ("actions", json!(leg.actions)),
        ("variables", json!(leg.variables)),
        ("early_execution", json!(leg.early_execution)),
        ("node", json!(calls.deps.settings.node)),
        ("provider_id", json!(attempts.provider())),
    ]);
    let _expected = calls.live.expect(leg.id);
    let row = calls.live.stored(calls.rows().insert(row, by).await)?;
    let begin = match ends_with(calls, by, &leg).await {
        Ok(()) => Msg::Dial(Box::new(attempts)),
        // its master has ended meanwhile: nobody else would ever end it
        Err(error) => {
            tracing::info!(call = %leg.id, master = %leg.master_call_id, %error, "nobody waits for this call");
            Msg::End(Reason::Normal, None)
        }
    };
    calls.enliven(row.clone(), begin).await?;
    Ok(row)
}

/// Has the master of a call end it, too. Refused by one that is over.
async fn ends_with(calls: &Calls, by: &Context, leg: &Leg) -> Result<()> {
    match leg.master_call_id.is_nil() {
        true => Ok(()),
        false => calls.deps.ask(&CALL, leg.master_call_id, Chain { call_id: leg.id }, by).await,
    }
}

pub(super) async fn chain(calls: Arc<Calls>, by: Context, id: Uuid, chain: Chain) -> Result<()> {
    calls.up(&by, id).await?;
    calls.live.ask(id, &by, |reply| Msg::Chain(chain.call_id, reply)).await
}

/// The agent that is called, best effort: a call does not fail for it.
pub(super) async fn owner_of(calls: &Calls, by: &Context, address: &Address) -> Uuid {
    let Ok(customer_id) = by.customer() else { return Uuid::nil() };
    let ask = FindByAddress { customer_id, address: address.clone() };
    calls.deps.ask_all(&AGENT, ask, by).await.ok().flatten().unwrap_or_default()
}

async fn carriers(calls: &Calls, by: &Context, profile: &Profile, leg: &Leg) -> Result<(Address, Vec<Way>)> {
    if profile.identity_verification_status != "verified" {
        let reason = "IDENTITY_VERIFICATION_REQUIRED";
        let message = "Calls to the telephone network need a verified identity.";
        return Err(Error::new(Status::PermissionDenied, reason, message));
    }
    let source = outbound::permit(calls, by, &leg.source, &leg.destination.target).await?;
    let find = FindRoutes {
        customer_id: by.customer()?,
        number: leg.destination.target.clone(),
        provider_ids: Vec::new(),
    };
    let routes = calls.deps.ask_all(&ROUTE, find, by).await?;
    let ways = routes.into_iter().map(|route| through(calls, leg, &source, route)).collect();
    Ok((source, ways))
}

fn through(calls: &Calls, leg: &Leg, source: &Address, route: DialRoute) -> Way {
    let number = &leg.destination.target;
    let user = format!("{}{number}{}", route.tech_prefix, route.tech_postfix);
    let credentials = (!route.username.is_empty()).then(|| Credentials {
        realm: route.realm.clone(),
        username: route.username.clone(),
        password: route.password.clone(),
    });
    let dial = Dial {
        uri: format!("sip:{user}@{}", route.hostname),
        destination: None,
        transport: transport(&route.transport),
        from: caller(calls, source, leg.anonymous == "yes"),
        credentials,
        headers: route.tech_headers.into_iter().collect(),
        codecs: route.codecs.split(',').map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect(),
        timeout_ms: RING_TIME,
    };
    Way { provider: route.provider_id, dial }
}

/// A SIP address that the customer chose. It is checked like every other place a customer can aim at, and
/// called at the very address that was checked.
async fn to_sip(calls: &Calls, leg: &Leg) -> Result<Way> {
    let target = leg.destination.target.trim_start_matches("sip:");
    let host = target.rsplit_once('@').map_or(target, |(_, host)| host);
    let host = host.split([';', '?']).next().unwrap_or_default();
    let tcp = target.to_ascii_lowercase().contains("transport=tcp");
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            (name, port.parse().map_err(|_| Error::invalid("the port of the SIP address must be a number"))?)
        }
        Some(_) | None => (host, 5060),
    };
    let destination = calls.deps.outward.resolve(name, port).await?;
    let dial = Dial {
        uri: format!("sip:{target}"),
        destination: Some(destination),
        transport: if tcp { Transport::Tcp } else { Transport::Udp },
        from: caller(calls, &leg.source, leg.anonymous == "yes"),
        credentials: None,
        headers: Vec::new(),
        codecs: Vec::new(),
        timeout_ms: RING_TIME,
    };
    Ok(Way { provider: Uuid::nil(), dial })
}

/// The caller is in the telephone's own domain: there it can be called back.
fn to_contact(calls: &Calls, customer: Uuid, leg: &Leg) -> Result<Way> {
    let contact = leg.contact.as_ref().ok_or_else(|| Error::invalid("the extension is not registered"))?;
    let destination: SocketAddr = contact.source;
    let domain = registrar_realm(customer, &calls.deps.settings.domain);
    let dial = Dial {
        uri: contact.uri.clone(),
        destination: Some(destination),
        transport: contact.transport,
        from: Caller { domain, ..caller(calls, &leg.source, leg.anonymous == "yes") },
        credentials: None,
        headers: Vec::new(),
        codecs: Vec::new(),
        timeout_ms: RING_TIME,
    };
    Ok(Way { provider: Uuid::nil(), dial })
}

fn caller(calls: &Calls, source: &Address, anonymous: bool) -> Caller {
    // an extension's target is an id: what a phone shows is its name
    let user = match source.r#type.as_str() {
        "extension" | "agent" if !source.target_name.is_empty() => &source.target_name,
        _ => &source.target,
    };
    let user = user.split('@').next().unwrap_or_default();
    Caller {
        user: user.trim_start_matches("sip:").to_owned(),
        name: source.target_name.clone(),
        domain: calls.deps.settings.domain.clone(),
        anonymous,
    }
}

fn transport(name: &str) -> Transport {
    if name.eq_ignore_ascii_case("tcp") { Transport::Tcp } else { Transport::Udp }
}
