//! A leg that we place: INVITE, what comes back, forks, and the ACK that is ours to send.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use protocol::ports::voice::{CAUSE_FAILED, EndedBy, LegEvent, Transport, cause_of};
use rsipstack::sip::{Method, Request, Response};

use super::dialog::{self, Dialog, Phase};
use super::step::Effect;
use super::{Timer, finish, middle};
use crate::sip::headers::{self, NameAddr, Target};
use crate::sip::transact::Path;
use crate::sip::{digest, headers::status};

/// "Destination out of order": nothing can be sent there.
const CAUSE_OUT_OF_ORDER: u16 = 27;

pub(super) fn start(dialog: &mut Dialog) -> Vec<Effect> {
    let limit = Duration::from_millis(dialog.timeout_ms);
    let mut effects = invite(dialog, "");
    effects.push(Effect::After(Timer::Dial, limit));
    effects
}

/// The INVITE, with the lines the dial asked for and perhaps credentials.
fn invite(dialog: &mut Dialog, credentials: &str) -> Vec<Effect> {
    let lines = format!("{}{credentials}", dialog.extra);
    let body = dialog.session.local.clone();
    let Some(request) = dialog.request(Method::Invite, &lines, &body) else {
        dialog.phase = Phase::Ended;
        return over(CAUSE_FAILED, 400, EndedBy::Local);
    };
    dialog.pending = Some(finish::pending(&request));
    vec![Effect::Journal, Effect::Ask(Box::new(request))]
}

/// Closed before it is reported: who hears of the end may dial the same leg again, through another carrier.
fn over(cause: u16, status: u16, by: EndedBy) -> Vec<Effect> {
    let [media, report, _] = finish::ended(cause, status, by);
    vec![media, Effect::Close, report]
}

/// A response to our first INVITE.
pub(super) fn answered(dialog: &mut Dialog, response: &Response) -> Vec<Effect> {
    match status(response) {
        100..200 => provisional(dialog, response),
        200..300 => accepted(dialog, response),
        401 | 407 if !dialog.is_over() && !dialog.proved => challenged(dialog, response),
        status => refused(dialog, response, status),
    }
}

fn provisional(dialog: &mut Dialog, response: &Response) -> Vec<Effect> {
    match dialog.phase {
        // The CANCEL waited for this; without a reply to it the linger timer ends the leg.
        Phase::Leaving if dialog.ending.is_some() && !dialog.cancelled => {
            dialog.cancelled = true;
            return finish::cancel_invite(dialog).into_iter().collect();
        }
        Phase::Calling => dialog.phase = Phase::Proceeding,
        Phase::Proceeding | Phase::Ringing => {}
        Phase::Accepted | Phase::Up | Phase::Leaving | Phase::Ended => return Vec::new(),
    }
    let mut effects = Vec::new();
    if status(response) == 180 && dialog.phase != Phase::Ringing {
        dialog.phase = Phase::Ringing;
        effects.push(Effect::Report(LegEvent::Ringing));
    }
    if let Some(answer) = headers::sdp(&response.headers, &response.body)
        && let Ok(change) = dialog.session.accept(answer)
    {
        effects
            .extend(change.into_effects().into_iter().filter(|effect| !matches!(effect, Effect::Report(_))));
        if !dialog.early {
            dialog.early = true;
            effects.push(Effect::Report(LegEvent::EarlyMedia));
        }
    }
    effects
}

/// The dialog is journalled with the peer's half before the ACK: a peer that has its ACK never repeats the 200.
fn accepted(dialog: &mut Dialog, response: &Response) -> Vec<Effect> {
    let leaving = dialog.is_over();
    if !establish(dialog, response) {
        dialog.phase = Phase::Ended;
        return if leaving { vec![Effect::Close] } else { over(CAUSE_FAILED, 500, EndedBy::Remote) };
    }
    let cseq = headers::cseq(&response.headers).unwrap_or_default();
    dialog.pending = None;
    let ack = dialog.acknowledge(cseq, "");
    dialog.ack = ack.as_ref().map(|ack| (cseq, String::from_utf8_lossy(&ack.to_bytes()).into_owned()));
    let media = headers::sdp(&response.headers, &response.body).map(|answer| dialog.session.accept(answer));
    let media = if media.is_none() && dialog.early { Some(Ok(Default::default())) } else { media };
    dialog.phase = Phase::Up;
    let mut effects = vec![Effect::Journal];
    effects.extend(ack.map(|ack| Effect::Tell(Box::new(ack))));
    match media {
        _ if leaving => effects.extend(finish::bye_now(dialog)),
        Some(Ok(change)) => {
            let mut change = change.into_effects();
            let reports = change.iter().position(|effect| matches!(effect, Effect::Report(_)));
            let reports = change.split_off(reports.unwrap_or(change.len()));
            effects.extend(change);
            effects.push(Effect::Report(LegEvent::Answered));
            effects.extend(reports);
            effects.extend(middle::next_hold(dialog));
        }
        Some(Err(_)) | None => effects.extend(finish::bye(dialog, 58, EndedBy::Local)),
    }
    effects
}

/// The remote half of the dialog (RFC 3261 12.1.2).
fn establish(dialog: &mut Dialog, response: &Response) -> bool {
    let Some(tag) = headers::tag(&response.headers, "To") else { return false };
    dialog.remote_tag = Some(tag);
    dialog.routes = headers::list(&response.headers, "Record-Route");
    dialog.routes.reverse();
    dialog.refresh(&response.headers);
    true
}

fn challenged(dialog: &mut Dialog, response: &Response) -> Vec<Effect> {
    let name = if status(response) == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    let answer = dialog.credentials.as_ref().and_then(|credentials| {
        let challenges = response.headers.iter().filter(|header| header.name().eq_ignore_ascii_case(name));
        let mut challenges = challenges.filter_map(|header| digest::Challenge::parse(header.value()));
        let challenge = challenges.find(|challenge| challenge.realm == credentials.realm)?;
        challenge.answer(credentials, "INVITE", &dialog.target)
    });
    let Some(answer) = answer else { return refused(dialog, response, status(response)) };
    dialog.proved = true;
    dialog.phase = Phase::Calling;
    let name = if status(response) == 401 { "Authorization" } else { "Proxy-Authorization" };
    invite(dialog, &format!("{name}: {answer}\r\n"))
}

fn refused(dialog: &mut Dialog, response: &Response, status: u16) -> Vec<Effect> {
    dialog.pending = None;
    if dialog.is_over() {
        return vec![Effect::Close];
    }
    dialog.phase = Phase::Ended;
    // The stack makes a 408 of its own, which nobody signed with a tag.
    let silent = status == 408 && headers::tag(&response.headers, "To").is_none();
    let by = if silent { EndedBy::Timeout } else { EndedBy::Remote };
    let cause = dialog::named_cause(&response.headers).unwrap_or(cause_of(status));
    over(cause, status, by)
}

pub(super) fn unsent(dialog: &mut Dialog, cseq: u32, method: Method) -> Vec<Effect> {
    if dialog.pending.take_if(|pending| pending.cseq == cseq).is_none() {
        return Vec::new();
    }
    match (method, dialog.is_over()) {
        (_, true) => vec![Effect::Close],
        (Method::Invite, false) if dialog.ack.is_none() && dialog.phase != Phase::Up => {
            dialog.phase = Phase::Ended;
            over(CAUSE_OUT_OF_ORDER, 503, EndedBy::Timeout)
        }
        _ => Vec::new(),
    }
}

/// Another 2xx: the same one again gets the same ACK, a fork's gets ACK and BYE (RFC 3261 13.2.2.4).
pub(super) fn repeated(dialog: &mut Dialog, response: &Response) -> Vec<Effect> {
    let tag = headers::tag(&response.headers, "To");
    let cseq = headers::cseq(&response.headers);
    if tag == dialog.remote_tag {
        let ack = dialog.ack.as_ref().filter(|(number, _)| Some(*number) == cseq);
        let ack = ack.and_then(|(_, bytes)| Request::try_from(bytes.as_str()).ok());
        return ack.map(|ack| Effect::Tell(Box::new(ack))).into_iter().collect();
    }
    let mut fork = dialog.clone();
    if !establish(&mut fork, response) {
        return Vec::new();
    }
    fork.local_cseq = cseq.unwrap_or(fork.local_cseq);
    let ack = fork.acknowledge(fork.local_cseq, "").map(|ack| Effect::Tell(Box::new(ack)));
    let bye = fork.request(Method::Bye, "", "").map(|bye| Effect::Ask(Box::new(bye)));
    ack.into_iter().chain(bye).collect()
}

/// Where requests of a dialog go: its first route, else the peer's Contact. A private address in a Contact
/// that came from elsewhere is a phone behind NAT: its messages' source stays the destination.
pub(crate) fn follow(dialog: &Dialog) -> Option<Path> {
    let uri = match dialog.routes.first() {
        Some(route) => NameAddr::parse(route)?.uri,
        None => dialog.target.clone(),
    };
    let target = Target::parse(&uri)?;
    let transport = if target.tcp { Transport::Tcp } else { dialog.path.transport };
    let named = Path::named(transport, target);
    let address = named.address();
    if dialog.pinned || dialog.path.transport == Transport::Tcp || hides(address, &dialog.path) {
        return Some(Path { fallback: address.or(dialog.path.fallback), ..dialog.path.clone() });
    }
    Some(named)
}

fn hides(named: Option<SocketAddr>, path: &Path) -> bool {
    match (named.map(|address| address.ip()), path.address().map(|address| address.ip())) {
        (Some(named), Some(source)) => is_private(named) && named != source && !is_private(source),
        _ => false,
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
