//! Requests inside a dialog: the peer's (RFC 3261 12.2.2) and our re-INVITE for hold.

use std::time::Duration;

use protocol::ports::voice::{CAUSE_FAILED, CAUSE_NORMAL, EndedBy, LegEvent};
use rand::Rng;
use rsipstack::sip::{Method, Request, Response};

use super::dialog::{self, Dialog, Phase, Role, Serving};
use super::step::{Effect, Timer, is_negotiating};
use super::{early, finish};
use crate::sip::headers::{self, ALLOW};

/// The digit of an INFO that names no duration.
const INFO_DIGIT_MS: u32 = 100;

/// A request with an old CSeq was answered by the leg's task already.
pub(super) fn asked(dialog: &mut Dialog, request: &Request) -> Vec<Effect> {
    let cseq = headers::cseq(&request.headers).unwrap_or_default();
    if request.method == Method::Bye {
        return bye(dialog, request, cseq);
    }
    if dialog.is_over() {
        return answer(dialog, request, 481, "");
    }
    let required = headers::list(&request.headers, "Require");
    if let Some(unknown) = required.iter().find(|name| !headers::SUPPORTED.contains(&name.as_str())) {
        return answer(dialog, request, 420, &format!("Unsupported: {unknown}\r\n"));
    }
    match request.method {
        Method::Invite => invite(dialog, request, cseq),
        Method::Update => update(dialog, request),
        Method::Info => info(dialog, request),
        Method::Options => {
            answer(dialog, request, 200, &format!("Allow: {ALLOW}\r\nAccept: application/sdp\r\n"))
        }
        Method::Ack | Method::Cancel | Method::Bye => Vec::new(),
        Method::Message
        | Method::Notify
        | Method::PRack
        | Method::Publish
        | Method::Refer
        | Method::Register
        | Method::Subscribe => answer(dialog, request, 405, &format!("Allow: {ALLOW}\r\n")),
    }
}

fn answer(dialog: &Dialog, request: &Request, status: u16, lines: &str) -> Vec<Effect> {
    let cseq = headers::cseq(&request.headers).unwrap_or_default();
    let response = Box::new(dialog.response(request, status, lines, ""));
    vec![Effect::Respond { cseq, response }]
}

/// "Terminated" is journalled before the 200, so that a repeated BYE finds an end and not a stranger.
fn bye(dialog: &mut Dialog, request: &Request, cseq: u32) -> Vec<Effect> {
    let was_over = dialog.is_over();
    let unanswered = dialog.serving.take().filter(|serving| serving.answer.is_none());
    dialog.phase = Phase::Ended;
    let mut effects = vec![Effect::Journal];
    effects.push(Effect::Respond { cseq, response: Box::new(dialog.response(request, 200, "", "")) });
    if let Some(serving) = unanswered
        && let Ok(invite) = Request::try_from(serving.bytes)
    {
        let response = Box::new(dialog.response(&invite, 487, "", ""));
        effects.push(Effect::Respond { cseq: serving.cseq, response });
    }
    if !was_over {
        let cause = dialog::named_cause(&request.headers).unwrap_or(CAUSE_NORMAL);
        effects.extend(finish::ended(cause, 200, EndedBy::Remote));
    }
    effects
}

fn invite(dialog: &mut Dialog, request: &Request, cseq: u32) -> Vec<Effect> {
    if dialog.pending.is_some() {
        return answer(dialog, request, 491, "");
    }
    if is_negotiating(dialog) {
        return answer(dialog, request, 500, "Retry-After: 2\r\n");
    }
    let offer = headers::sdp(&request.headers, &request.body);
    let mut effects = Vec::new();
    if let Some(offer) = offer {
        match dialog.session.answer(offer) {
            Ok(change) => effects.extend(change.into_effects()),
            Err(_) => return answer(dialog, request, 488, ""),
        }
    } else {
        dialog.session.offer();
    }
    dialog.refresh(&request.headers);
    let bytes = String::from_utf8_lossy(&request.to_bytes()).into_owned();
    dialog.serving = Some(Serving { cseq, bytes, answer: None, offered: offer.is_none() });
    let body = dialog.session.local.clone();
    let reports = effects.iter().position(|effect| matches!(effect, Effect::Report(_)));
    let reports = effects.split_off(reports.unwrap_or(effects.len()));
    effects.extend(early::accept(dialog, &body));
    effects.extend(reports);
    effects
}

fn update(dialog: &mut Dialog, request: &Request) -> Vec<Effect> {
    let Some(offer) = headers::sdp(&request.headers, &request.body) else {
        dialog.refresh(&request.headers);
        let mut effects = vec![Effect::Journal];
        effects.extend(answer(dialog, request, 200, ""));
        return effects;
    };
    if is_negotiating(dialog) {
        return answer(dialog, request, 491, "");
    }
    let Ok(change) = dialog.session.answer(offer) else { return answer(dialog, request, 488, "") };
    dialog.refresh(&request.headers);
    let response = Box::new(dialog.response(request, 200, "", &dialog.session.local));
    let cseq = headers::cseq(&request.headers).unwrap_or_default();
    let mut effects = vec![Effect::Journal, Effect::Respond { cseq, response }];
    effects.extend(change.into_effects());
    effects
}

fn info(dialog: &Dialog, request: &Request) -> Vec<Effect> {
    let kind = headers::header(&request.headers, "Content-Type").unwrap_or_default().to_ascii_lowercase();
    let body = String::from_utf8_lossy(&request.body);
    if body.trim().is_empty() {
        return answer(dialog, request, 200, "");
    }
    let value = |name: &str| {
        let named = |line: &str| {
            line.split_once('=')
                .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        body.lines().find_map(named)
    };
    let digit = match kind.as_str() {
        "application/dtmf-relay" => value("Signal"),
        "application/dtmf" => Some(body.trim().to_owned()),
        _ => return answer(dialog, request, 415, "Accept: application/dtmf-relay, application/dtmf\r\n"),
    };
    let digit = digit.and_then(|text| text.chars().next()).map(|c| c.to_ascii_uppercase());
    let Some(digit) = digit.filter(|c| c.is_ascii_digit() || "*#ABCD".contains(*c)) else {
        return answer(dialog, request, 400, "");
    };
    let duration_ms = value("Duration").and_then(|text| text.parse().ok()).unwrap_or(INFO_DIGIT_MS);
    let mut effects = answer(dialog, request, 200, "");
    effects.push(Effect::Report(LegEvent::Digit { digit, duration_ms }));
    effects
}

/// Our re-INVITE; while another offer is open it waits.
pub(super) fn hold(dialog: &mut Dialog, on: bool) -> Vec<Effect> {
    if dialog.phase != Phase::Up || is_negotiating(dialog) {
        dialog.hold = Some(on);
        return Vec::new();
    }
    dialog.hold = None;
    dialog.session.hold(on);
    let body = dialog.session.local.clone();
    let Some(request) = dialog.request(Method::Invite, "", &body) else { return Vec::new() };
    dialog.pending = Some(finish::pending(&request));
    vec![Effect::Journal, Effect::Ask(Box::new(request))]
}

pub(super) fn retry(dialog: &mut Dialog) -> Vec<Effect> {
    match dialog.hold.take() {
        Some(on) => hold(dialog, on),
        None => Vec::new(),
    }
}

/// A response to our re-INVITE. Silence (408) is no reason to end a call whose media may well flow.
pub(super) fn reinvited(dialog: &mut Dialog, response: &Response) -> Vec<Effect> {
    let status = headers::status(response);
    match status {
        100..200 => Vec::new(),
        200..300 => agreed(dialog, response),
        491 => {
            dialog.pending = None;
            dialog.hold.get_or_insert(dialog.session.held);
            vec![Effect::Journal, Effect::After(Timer::Retry, glare(dialog.role))]
        }
        481 => {
            dialog.pending = None;
            finish::bye(dialog, CAUSE_FAILED, EndedBy::Timeout)
        }
        _ => {
            dialog.pending = None;
            dialog.session.undo();
            [Effect::Journal].into_iter().chain(next_hold(dialog)).collect()
        }
    }
}

fn agreed(dialog: &mut Dialog, response: &Response) -> Vec<Effect> {
    let cseq = headers::cseq(&response.headers).unwrap_or_default();
    dialog.pending = None;
    dialog.refresh(&response.headers);
    let mut effects = vec![Effect::Journal];
    if let Some(ack) = dialog.acknowledge(cseq, "") {
        dialog.ack = Some((cseq, String::from_utf8_lossy(&ack.to_bytes()).into_owned()));
        effects.push(Effect::Tell(Box::new(ack)));
    }
    if let Some(answer) = headers::sdp(&response.headers, &response.body) {
        match dialog.session.accept(answer) {
            Ok(change) => effects.extend(change.into_effects()),
            Err(error) => tracing::warn!(%error, "answer to re-invite not usable"),
        }
    }
    effects.extend(next_hold(dialog));
    effects
}

/// A hold that waited for a negotiation to end can be sent now.
pub(super) fn next_hold(dialog: &Dialog) -> Option<Effect> {
    dialog.hold.map(|_| Effect::After(Timer::Retry, Duration::ZERO))
}

/// RFC 3261 14.1: who chose the Call-ID waits longer.
fn glare(role: Role) -> Duration {
    let range = match role {
        Role::Caller => 2_100..4_000,
        Role::Callee => 0..2_000,
    };
    Duration::from_millis(rand::rng().random_range(range))
}
