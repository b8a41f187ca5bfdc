//! A dialog whose owner has another address than before: another node has taken it over, or its host was moved.
//!
//! The peer still sends to the old address. An established call is moved by a re-INVITE; what was open there
//! is never repeated from here, because the old bytes name the old address and would lead the peer back to it.

use protocol::ports::voice::{CAUSE_FAILED, EndedBy, LegEvent};
use rsipstack::sip::{Method, Request};

use super::dialog::{Dialog, Own, Phase, Role};
use super::step::Effect;
use super::{finish, middle};

/// Takes the new address into the dialog. False: it is the old one.
pub(crate) fn rename(dialog: &mut Dialog, own: &Own) -> bool {
    if dialog.own == own.address.to_string() {
        return false;
    }
    dialog.own = own.address.to_string();
    dialog.contact = own.contact();
    true
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
        (Phase::Leaving, _) => finish::bye_now(dialog),
        (Phase::Ended, _) => Vec::new(),
    }
}

/// An answer of ours that was never acknowledged is dropped. So is an offer of ours; the ACK for whatever the
/// peer answered lets it take the next one.
fn reinvite(dialog: &mut Dialog) -> Vec<Effect> {
    dialog.serving = None;
    let open = dialog.pending.take().and_then(|pending| dialog.acknowledge(pending.cseq, ""));
    let mut effects: Vec<Effect> = open.map(|ack| Effect::Tell(Box::new(ack))).into_iter().collect();
    effects.extend(middle::hold(dialog, dialog.session.held));
    effects
}

fn is_cancelling(dialog: &Dialog) -> bool {
    let pending = dialog.pending.as_ref().and_then(|pending| Request::try_from(pending.bytes.as_str()).ok());
    pending.is_some_and(|request| request.method == Method::Invite)
}
