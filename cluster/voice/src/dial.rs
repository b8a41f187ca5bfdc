//! Placing a call: from `Dial` to the dialog that its INVITE opens. Everything a customer wrote is checked here,
//! before a leg exists, because a header is the one place where text becomes protocol.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use protocol::ports::voice::{Caller, Dial, LegId, LegState};
use protocol::{Error, Result, Status};
use tokio::sync::mpsc;

use crate::call::leg::{Handle, Leg, MAILBOX};
use crate::call::session::Session;
use crate::call::{Dialog, Input, Phase, Role, step};
use crate::engine::Shared;
use crate::sip::headers::{self, Target};
use crate::sip::transact::Path;

/// Headers that are ours to write; a customer's are left out without a word, as VoIPBIN does.
const RESERVED: &[&str] = &[
    "accept",
    "allow",
    "authorization",
    "call-id",
    "contact",
    "content-encoding",
    "content-length",
    "content-type",
    "cseq",
    "from",
    "i",
    "f",
    "t",
    "v",
    "m",
    "c",
    "l",
    "k",
    "max-forwards",
    "p-asserted-identity",
    "p-preferred-identity",
    "privacy",
    "proxy-authorization",
    "proxy-require",
    "record-route",
    "require",
    "route",
    "supported",
    "to",
    "user-agent",
    "via",
    "vb-call-id",
    "vb-confbridge-id",
    "vb-direction",
    "vbout-codecs",
    "vbout-sdp_transport",
];

/// Opens the leg and hands it to its task. Refused: a leg that exists, a full engine, a dial that cannot be
/// written as SIP.
pub(crate) async fn place(shared: Arc<Shared>, leg: LegId, dial: Dial) -> Result<()> {
    if shared.is_stopping() || shared.is_full() {
        return Err(Error::unavailable("The voice engine takes no more calls."));
    }
    let (target, extra) = (target(&dial)?, extra(&dial)?);
    let (mailbox, inputs) = mpsc::channel(MAILBOX);
    let handle = Handle::new(mailbox, Some(LegState::Dialing));
    if !shared.legs.claim(leg, handle.clone()) {
        return Err(Error::new(Status::AlreadyExists, "LEG_EXISTS", "The leg exists already."));
    }
    let opened = dialog(&shared, leg, &dial, (target, extra)).await;
    let mut dialog = opened.inspect_err(|_| _ = shared.legs.remove(&leg))?;
    let first = step(&mut dialog, Input::Start);
    let leg = Leg {
        id: leg,
        dialog,
        shared: shared.clone(),
        handle,
        inputs,
        replies: HashMap::new(),
        timers: Vec::new(),
        parked: None,
    };
    shared.tasks.spawn(leg.run(first));
    Ok(())
}

fn target(dial: &Dial) -> Result<Target> {
    let target =
        Target::parse(&dial.uri).filter(|target| !target.host.is_empty() || dial.destination.is_some());
    let printable = !dial.uri.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c));
    target.filter(|_| printable).ok_or_else(|| Error::invalid("The destination is no SIP URI."))
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

/// The lines of the INVITE that are not every INVITE's.
fn extra(dial: &Dial) -> Result<String> {
    let Caller { user, name, domain, .. } = &dial.from;
    if [user, name, domain].iter().any(|value| !headers::is_line(value)) {
        return Err(Error::invalid("The caller contains a line break."));
    }
    let mut lines = String::new();
    for (name, value) in &dial.headers {
        if !headers::is_line(name) || !headers::is_line(value) {
            return Err(Error::invalid("A header contains a line break."));
        }
        if is_token(name) && !RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            lines.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    if dial.from.anonymous {
        let identity = match user.starts_with('+') {
            true => format!("tel:{}", escaped(user)),
            false => format!("sip:{}@{}", escaped(user), host(domain)),
        };
        lines.push_str(&format!("Privacy: id\r\nP-Asserted-Identity: <{identity}>\r\n"));
    }
    Ok(lines)
}

/// A user part as RFC 3261 25.1 lets it stand in a URI.
fn escaped(user: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&b);
    user.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn host(domain: &str) -> String {
    domain.chars().filter(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(*c)).collect()
}

fn from(caller: &Caller, own: SocketAddr) -> String {
    if caller.anonymous {
        return "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned();
    }
    let domain = match host(&caller.domain) {
        domain if domain.is_empty() => own.ip().to_string(),
        domain => domain,
    };
    let name =
        if caller.name.is_empty() { String::new() } else { format!("{} ", headers::quoted(&caller.name)) };
    let user = if caller.user.is_empty() { String::new() } else { format!("{}@", escaped(&caller.user)) };
    format!("{name}<sip:{user}{domain}>")
}

async fn dialog(shared: &Shared, leg: LegId, dial: &Dial, parts: (Target, String)) -> Result<Dialog> {
    let (target, extra) = parts;
    let path = match dial.destination {
        Some(address) => Path::to(dial.transport, address),
        None => Path::named(dial.transport, target),
    };
    let user = if dial.from.anonymous { "anonymous" } else { dial.from.user.as_str() };
    let own = shared.wire.own(&path, user);
    let anchor = shared.media.open(leg, None).await?;
    let mut session = Session::new(SocketAddr::new(own.address.ip(), anchor.port), &dial.codecs);
    session.offer();
    Ok(Dialog {
        phase: Phase::Calling,
        call_id: format!("{}@{}", headers::token(), own.address.ip()),
        local: from(&dial.from, own.address),
        remote: format!("<{}>", dial.uri),
        target: dial.uri.clone(),
        pinned: dial.destination.is_some(),
        credentials: dial.credentials.clone(),
        timeout_ms: dial.timeout_ms,
        extra,
        ..Dialog::new(Role::Caller, path, &own, (session, anchor))
    })
}
