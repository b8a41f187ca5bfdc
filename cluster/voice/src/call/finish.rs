//! The end of a leg, from our side. `Ended` is reported when we decide, not when the peer agrees: what crosses
//! on the wire after that is tidied up without anybody hearing of it.

use protocol::ports::voice::{CAUSE_NO_ANSWER, CAUSE_NORMAL, Cause, EndedBy, LegEvent, sip_status};
use rsipstack::sip::{Method, Request};

use super::dialog::{self, Dialog, Pending, Phase, Role};
use super::step::{Effect, GONE, Timer};

/// Ends the leg on command, as its phase asks for.
pub(super) fn hangup(dialog: &mut Dialog, cause: Cause) -> Vec<Effect> {
    end(dialog, cause, EndedBy::Local)
}

/// The dial's time is up.
pub(super) fn unanswered(dialog: &mut Dialog) -> Vec<Effect> {
    match (dialog.role, dialog.phase) {
        (Role::Caller, Phase::Calling | Phase::Proceeding | Phase::Ringing) => {
            end(dialog, CAUSE_NO_ANSWER, EndedBy::Timeout)
        }
        _ => Vec::new(),
    }
}

/// The peer's answer to our BYE, or that there is none.
pub(super) fn left(dialog: &mut Dialog) -> Vec<Effect> {
    dialog.pending = None;
    dialog.phase = Phase::Ended;
    vec![Effect::Close]
}

pub(crate) fn end(dialog: &mut Dialog, cause: Cause, by: EndedBy) -> Vec<Effect> {
    match (dialog.phase, dialog.role) {
        (Phase::Leaving | Phase::Ended, _) => Vec::new(),
        (Phase::Calling | Phase::Proceeding, _) | (Phase::Ringing, Role::Caller) => cancel(dialog, cause, by),
        (Phase::Ringing, Role::Callee) => refuse(dialog, cause, by),
        (Phase::Accepted, _) => bye_later(dialog, cause, by),
        (Phase::Up, _) => bye(dialog, cause, by),
    }
}

/// What every end has: the last report, no more media, and time for the peer to repeat itself.
pub(super) fn ended(cause: Cause, status: u16, by: EndedBy) -> [Effect; 3] {
    [
        Effect::CloseMedia,
        Effect::Report(LegEvent::Ended { cause, status, by }),
        Effect::After(Timer::Linger, GONE),
    ]
}

fn cancel(dialog: &mut Dialog, cause: Cause, by: EndedBy) -> Vec<Effect> {
    let heard = dialog.phase != Phase::Calling;
    dialog.phase = Phase::Leaving;
    dialog.ending = Some((cause, by));
    let mut effects = vec![Effect::Journal];
    if heard {
        dialog.cancelled = true;
        effects.extend(cancel_invite(dialog));
    }
    let status = if by == EndedBy::Timeout { 408 } else { 487 };
    effects.extend(ended(cause, status, by));
    effects
}

/// The CANCEL itself, once the INVITE has a provisional response.
pub(super) fn cancel_invite(dialog: &Dialog) -> Option<Effect> {
    let invite = Request::try_from(dialog.pending.as_ref()?.bytes.as_str()).ok()?;
    let cause = dialog.ending.map_or(CAUSE_NORMAL, |(cause, _)| cause);
    dialog::cancel(&invite, &dialog::reason(cause)).map(|request| Effect::Ask(Box::new(request)))
}

fn refuse(dialog: &mut Dialog, cause: Cause, by: EndedBy) -> Vec<Effect> {
    refuse_with(dialog, sip_status(cause), cause, by)
}

/// A final response other than 2xx to the peer's first INVITE.
pub(super) fn refuse_with(dialog: &mut Dialog, status: u16, cause: Cause, by: EndedBy) -> Vec<Effect> {
    let lines = match status {
        503 => format!("{}Retry-After: {}\r\n", dialog::reason(cause), crate::engine::RETRY_AFTER),
        _ => dialog::reason(cause),
    };
    dialog.phase = Phase::Ended;
    let mut effects = vec![Effect::Journal];
    if let Some(serving) = dialog.serving.clone()
        && let Ok(request) = Request::try_from(serving.bytes)
    {
        let response = Box::new(dialog.response(&request, status, &lines, ""));
        if let Some(serving) = dialog.serving.as_mut() {
            serving.answer = String::from_utf8(response.to_bytes()).ok();
        }
        effects.push(Effect::Respond { cseq: serving.cseq, response });
    }
    effects.extend(ended(cause, status, by));
    effects
}

/// A callee must not send BYE before the ACK of its 200, or before it gives up on one (RFC 3261 15).
fn bye_later(dialog: &mut Dialog, cause: Cause, by: EndedBy) -> Vec<Effect> {
    dialog.phase = Phase::Leaving;
    dialog.ending = Some((cause, by));
    let mut effects = vec![Effect::Journal];
    effects.extend(ended(cause, 200, by));
    effects.push(Effect::After(Timer::Linger, 2 * GONE));
    effects
}

/// The BYE that waited.
pub(super) fn bye_now(dialog: &mut Dialog) -> Vec<Effect> {
    let (cause, by) = dialog.ending.unwrap_or((CAUSE_NORMAL, EndedBy::Local));
    let mut effects = bye(dialog, cause, by);
    effects.retain(|effect| !matches!(effect, Effect::Report(_)));
    effects
}

pub(super) fn bye(dialog: &mut Dialog, cause: Cause, by: EndedBy) -> Vec<Effect> {
    dialog.phase = Phase::Leaving;
    dialog.ending = Some((cause, by));
    let lines = dialog::reason(cause);
    let mut effects = Vec::new();
    if let Some(request) = dialog.request(Method::Bye, &lines, "") {
        dialog.pending = Some(pending(&request));
        effects.push(Effect::Journal);
        effects.push(Effect::Ask(Box::new(request)));
    }
    effects.extend(ended(cause, 200, by));
    effects
}

/// A request of ours as it is journalled before it is sent.
pub(super) fn pending(request: &Request) -> Pending {
    let cseq = crate::sip::headers::cseq(&request.headers).unwrap_or_default();
    Pending { cseq, bytes: String::from_utf8_lossy(&request.to_bytes()).into_owned() }
}
