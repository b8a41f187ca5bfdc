//! An incoming leg until its ACK: ringing, early media, answer, CANCEL.

use protocol::ports::voice::{CAUSE_NORMAL, EndedBy, LegEvent};
use rsipstack::sip::{Request, Response};

use super::dialog::{Dialog, Phase, Role, Serving};
use super::step::{Effect, GONE, Timer};
use super::{finish, middle};

/// A dialog whose 200 nobody acknowledged.
const CAUSE_PROTOCOL: u16 = 102;

pub(super) fn ring(dialog: &mut Dialog) -> Vec<Effect> {
    provisional(dialog, 180, "")
}

/// 183 with the answer. An INVITE without offer cannot have early media from us, so it only rings.
pub(super) fn media(dialog: &mut Dialog) -> Vec<Effect> {
    if !can_answer(dialog) {
        return Vec::new();
    }
    if dialog.serving.as_ref().is_none_or(|serving| serving.offered) {
        return ring(dialog);
    }
    let body = dialog.session.local.clone();
    let mut effects = provisional(dialog, 183, &body);
    if !dialog.early {
        dialog.early = true;
        effects.splice(0..0, dialog.session.connect());
    }
    effects
}

pub(super) fn answer(dialog: &mut Dialog) -> Vec<Effect> {
    if !can_answer(dialog) {
        return Vec::new();
    }
    let body = dialog.session.local.clone();
    let connect = if dialog.early { None } else { dialog.session.connect() };
    let mut effects: Vec<Effect> = connect.into_iter().collect();
    effects.extend(accept(dialog, &body));
    dialog.phase = Phase::Accepted;
    effects
}

/// A 200 to the INVITE that is being served, journalled before it is sent and until its ACK.
pub(super) fn accept(dialog: &mut Dialog, body: &str) -> Vec<Effect> {
    let Some(serving) = dialog.serving.clone() else { return Vec::new() };
    let Ok(request) = Request::try_from(serving.bytes) else { return Vec::new() };
    let response = Box::new(dialog.response(&request, 200, "", body));
    if let Some(serving) = dialog.serving.as_mut() {
        serving.answer = String::from_utf8(response.to_bytes()).ok();
    }
    vec![Effect::Journal, Effect::Respond { cseq: serving.cseq, response }]
}

/// The final answer that its peer may not have got.
pub(crate) fn repeat(serving: &Serving) -> Vec<Effect> {
    let answer = serving.answer.as_deref().and_then(|answer| Response::try_from(answer).ok());
    let repeated =
        answer.map(|response| Effect::Respond { cseq: serving.cseq, response: Box::new(response) });
    repeated.into_iter().collect()
}

fn provisional(dialog: &mut Dialog, status: u16, body: &str) -> Vec<Effect> {
    if !can_answer(dialog) {
        return Vec::new();
    }
    let Some(serving) = &dialog.serving else { return Vec::new() };
    let Ok(request) = Request::try_from(serving.bytes.as_str()) else { return Vec::new() };
    let response = Box::new(dialog.response(&request, status, "", body));
    vec![Effect::Journal, Effect::Respond { cseq: serving.cseq, response }]
}

fn can_answer(dialog: &Dialog) -> bool {
    dialog.role == Role::Callee && dialog.phase == Phase::Ringing
}

/// The stack has answered the CANCEL; the INVITE is ours to answer.
pub(super) fn cancelled(dialog: &mut Dialog, cseq: u32) -> Vec<Effect> {
    if !can_answer(dialog) || dialog.serving.as_ref().is_none_or(|serving| serving.cseq != cseq) {
        return Vec::new();
    }
    finish::refuse_with(dialog, 487, CAUSE_NORMAL, EndedBy::Remote)
}

pub(super) fn acked(dialog: &mut Dialog, cseq: u32, sdp: Option<&str>) -> Vec<Effect> {
    let Some(serving) = dialog.serving.take_if(|serving| serving.cseq == cseq) else { return Vec::new() };
    let mut effects = Vec::new();
    if serving.offered {
        effects.extend(late_answer(dialog, sdp));
    }
    match dialog.phase {
        Phase::Accepted => {
            dialog.phase = Phase::Up;
            effects.push(Effect::Report(LegEvent::Answered));
            effects.push(Effect::JournalSoon);
        }
        Phase::Ended => effects.push(Effect::Close),
        Phase::Up => effects.push(Effect::JournalSoon),
        Phase::Leaving if dialog.pending.is_none() => effects.extend(finish::bye_now(dialog)),
        Phase::Calling | Phase::Proceeding | Phase::Ringing | Phase::Leaving => {}
    }
    effects.extend(middle::next_hold(dialog));
    effects
}

/// The peer's answer to the offer in our 200. One that cannot be used leaves the media as it was.
fn late_answer(dialog: &mut Dialog, sdp: Option<&str>) -> Vec<Effect> {
    let Some(answer) = sdp else { return Vec::new() };
    match dialog.session.accept(answer) {
        Ok(change) => change.into_effects(),
        Err(error) => {
            tracing::warn!(%error, "answer in ack not usable");
            Vec::new()
        }
    }
}

/// The peer never acknowledged: the dialog exists for it or not, so BYE (RFC 3261 13.3.1.4).
pub(super) fn unacked(dialog: &mut Dialog, cseq: u32) -> Vec<Effect> {
    if dialog.serving.take_if(|serving| serving.cseq == cseq).is_none() {
        return Vec::new();
    }
    match dialog.phase {
        Phase::Accepted | Phase::Up => finish::bye(dialog, CAUSE_PROTOCOL, EndedBy::Timeout),
        Phase::Leaving if dialog.pending.is_none() => finish::bye_now(dialog),
        Phase::Leaving | Phase::Ended => vec![Effect::After(Timer::Linger, GONE)],
        Phase::Calling | Phase::Proceeding | Phase::Ringing => Vec::new(),
    }
}
