//! A dialog whose owner has another address than before: another node has taken it over, or its host was moved.
//!
//! The peer still sends to the old address. An established call is moved by a re-INVITE; what was open there
//! is never repeated from here, because the old bytes name the old address and would lead the peer back to it:
//! an answer of ours is written anew.

use std::time::Duration;

use protocol::ports::voice::{CAUSE_FAILED, EndedBy, LegEvent};
use rsipstack::sip::{Method, Request};

use super::dialog::{Dialog, Own, Phase, Role};
use super::step::{Effect, Timer};
use super::{early, finish, middle};

/// A request that overtakes our answer finds a call that only rings. Nothing waits for the ACK: a peer that has sent
/// one may send the same again, to the old address.
const BEHIND: Duration = Duration::from_millis(100);

/// Takes the new address into the dialog. False: it is the old one.
pub(crate) fn rename(dialog: &mut Dialog, own: &Own) -> bool {
    if dialog.own == own.address.to_string() {
        return false;
    }
    dialog.own = own.address.to_string();
    dialog.contact = own.contact();
    true
}

/// An answer whose ACK is not known: it may never have been sent, and a peer that has none takes no request of ours.
/// A refusal names no address and goes out as it is.
pub(crate) fn answer_anew(dialog: &mut Dialog) -> Vec<Effect> {
    let Some(serving) = dialog.serving.clone().filter(|serving| serving.answer.is_some()) else {
        return Vec::new();
    };
    if dialog.phase == Phase::Ended {
        return early::repeat(&serving);
    }
    if !dialog.is_over() {
        dialog.session.redescribe(serving.offered);
    }
    let body = dialog.session.local.clone();
    early::accept(dialog, &body)
}

/// What follows, once the media is bound at the new address.
pub(crate) fn settle(dialog: &mut Dialog) -> Vec<Effect> {
    match (dialog.phase, dialog.role) {
        // its answer goes to the old address, and without the peer's tag there is no dialog
        (Phase::Calling | Phase::Proceeding, _) | (Phase::Ringing, Role::Caller) => {
            // the journal does not know whether it rings; a CANCEL that finds nothing does no harm
            dialog.phase = Phase::Proceeding;
            finish::end(dialog, CAUSE_FAILED, EndedBy::Timeout)
        }
        (Phase::Ringing, Role::Callee) => {
            let offered = dialog.serving.as_ref().is_some_and(|serving| serving.offered);
            dialog.session.redescribe(offered);
            dialog.hold = None;
            vec![Effect::Journal]
        }
        (Phase::Accepted, _) => {
            dialog.phase = Phase::Up;
            let mut effects = reinvite(dialog);
            effects.push(Effect::Report(LegEvent::Answered));
            effects
        }
        (Phase::Up, _) => reinvite(dialog),
        (Phase::Leaving, _) if is_cancelling(dialog) => Vec::new(),
        // its BYE waits for the ACK
        (Phase::Leaving, _) if dialog.serving.is_some() && dialog.pending.is_none() => Vec::new(),
        (Phase::Leaving, _) => finish::bye_now(dialog),
        (Phase::Ended, _) => Vec::new(),
    }
}

/// An offer of ours that is open is dropped. The ACK for whatever the peer answered to it, or to the one before if
/// that ACK was not sent, lets it take the next one.
fn reinvite(dialog: &mut Dialog) -> Vec<Effect> {
    let answered = dialog.serving.take().is_some();
    let open = dialog.pending.take().map(|pending| pending.cseq);
    let last = open.or(dialog.ack.as_ref().map(|(cseq, _)| *cseq));
    let ack = last.and_then(|cseq| dialog.acknowledge(cseq, ""));
    let mut effects: Vec<Effect> = ack.map(|ack| Effect::Tell(Box::new(ack))).into_iter().collect();
    let held = dialog.hold.unwrap_or(dialog.session.held);
    if answered {
        dialog.hold = Some(held);
        effects.push(Effect::After(Timer::Retry, BEHIND));
    } else {
        effects.extend(middle::hold(dialog, held));
    }
    effects
}

fn is_cancelling(dialog: &Dialog) -> bool {
    let pending = dialog.pending.as_ref().and_then(|pending| Request::try_from(pending.bytes.as_str()).ok());
    pending.is_some_and(|request| request.method == Method::Invite)
}
