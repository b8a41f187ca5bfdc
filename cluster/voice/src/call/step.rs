//! What a leg hears and what it then does. The order of effects matters: they are carried out one after the
//! other, and `Journal` stands before everything that a restarted process would have to know of.

use std::time::Duration;

use protocol::ports::voice::{Cause, LegEvent};
use rsipstack::sip::{Method, Request, Response};

use super::dialog::{Dialog, Phase, Role};
use super::{early, finish, middle, outgoing};
use crate::media::Remote;

/// 64 T1 (RFC 3261 17): after it, a peer has given up what it repeated.
pub(crate) const GONE: Duration = Duration::from_secs(32);

/// Everything that can happen to a leg.
pub(crate) enum Input {
    /// The first input of a leg that we place.
    Start,
    Command(Signal),
    /// A request of the peer inside the dialog; its reply is kept under its CSeq.
    Asked(Box<Request>),
    /// CANCEL for the peer's INVITE; the stack has answered it.
    Cancelled {
        cseq: u32,
    },
    /// ACK for the peer's INVITE.
    Acked {
        cseq: u32,
        sdp: Option<String>,
    },
    /// No ACK in 32 s for our 2xx.
    Unacked {
        cseq: u32,
    },
    /// A response to a request of ours.
    Answered {
        cseq: u32,
        method: Method,
        response: Response,
    },
    /// A request of ours found no way to its peer.
    Unsent {
        cseq: u32,
        method: Method,
    },
    /// A 2xx to INVITE that no transaction waited for.
    Repeated(Box<Response>),
    Heard(LegEvent),
    Due(Timer),
    /// A request of the peer, with the means to answer it; the leg's task turns it into `Asked`.
    Arrived(Box<crate::sip::transact::Asked>),
}

/// The commands of the port that are about signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Ring,
    Early,
    Answer,
    Hangup(Cause),
    Hold(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Nobody answered.
    Dial,
    /// The peer had its time to repeat things.
    Linger,
    /// A re-INVITE may be tried again.
    Retry,
}

/// What a leg's task is to do.
#[derive(Debug)]
pub(crate) enum Effect {
    Journal,
    /// As `Journal`, where no message depends on it.
    JournalSoon,
    Respond {
        cseq: u32,
        response: Box<Response>,
    },
    /// Sends a request of ours in a transaction.
    Ask(Box<Request>),
    /// Sends an ACK.
    Tell(Box<Request>),
    /// Nobody waits for this request's responses any longer.
    Forget(Box<Request>),
    Connect(Remote),
    CloseMedia,
    Report(LegEvent),
    After(Timer, Duration),
    /// The leg is over: its journal entry and its name go, and behind the other effects its task.
    Close,
}

/// The one place where a leg changes.
pub(crate) fn step(dialog: &mut Dialog, input: Input) -> Vec<Effect> {
    match input {
        Input::Start => outgoing::start(dialog),
        Input::Command(signal) => signalled(dialog, signal),
        Input::Asked(request) => middle::asked(dialog, &request),
        Input::Cancelled { cseq } => early::cancelled(dialog, cseq),
        Input::Acked { cseq, sdp } => early::acked(dialog, cseq, sdp.as_deref()),
        Input::Unacked { cseq } => early::unacked(dialog, cseq),
        Input::Answered { cseq, method, response } => answered(dialog, cseq, method, &response),
        Input::Unsent { cseq, method } => outgoing::unsent(dialog, cseq, method),
        Input::Repeated(response) => outgoing::repeated(dialog, &response),
        Input::Heard(event) if dialog.is_over() => {
            tracing::debug!(?event, "media event after the end");
            Vec::new()
        }
        Input::Heard(event) => vec![Effect::Report(event)],
        Input::Due(timer) => due(dialog, timer),
        Input::Arrived(_) => Vec::new(),
    }
}

fn answered(dialog: &mut Dialog, cseq: u32, method: Method, response: &Response) -> Vec<Effect> {
    let status = response.status_code.code();
    let ours = dialog.pending.as_ref().is_some_and(|pending| pending.cseq == cseq);
    let first = dialog.role == Role::Caller && dialog.ack.is_none();
    if method == Method::Bye && status >= 200 {
        return finish::left(dialog);
    }
    if method != Method::Invite {
        return Vec::new();
    }
    match ours {
        true if first => outgoing::answered(dialog, response),
        true => middle::reinvited(dialog, response),
        false if (200..300).contains(&status) => outgoing::repeated(dialog, response),
        false => Vec::new(),
    }
}

fn due(dialog: &mut Dialog, timer: Timer) -> Vec<Effect> {
    match timer {
        Timer::Dial => finish::unanswered(dialog),
        Timer::Retry => middle::retry(dialog),
        Timer::Linger if dialog.is_over() => {
            let pending = dialog.pending.take().and_then(|pending| Request::try_from(pending.bytes).ok());
            let forget = pending.map(|request| Effect::Forget(Box::new(request)));
            forget.into_iter().chain([Effect::Close]).collect()
        }
        Timer::Linger => Vec::new(),
    }
}

fn signalled(dialog: &mut Dialog, signal: Signal) -> Vec<Effect> {
    match signal {
        _ if dialog.is_over() => Vec::new(),
        Signal::Ring => early::ring(dialog),
        Signal::Early => early::media(dialog),
        Signal::Answer => early::answer(dialog),
        Signal::Hangup(cause) => finish::hangup(dialog, cause),
        Signal::Hold(on) => middle::hold(dialog, on),
    }
}

/// Whether an offer or answer of either side is still open (RFC 3264 4, RFC 3261 14.2).
pub(super) fn is_negotiating(dialog: &Dialog) -> bool {
    dialog.pending.is_some() || dialog.serving.is_some() || dialog.phase != Phase::Up
}
