//! The life of a call as pure functions. No I/O, no clock: every transition is testable as data.

use protocol::ports::voice::{
    CAUSE_BUSY, CAUSE_DURATION, CAUSE_NO_ANSWER, CAUSE_NORMAL, Cause, EndedBy, LegEvent,
};
use serde::{Deserialize, Serialize};

pub(super) const STATUSES: &[&str] =
    &["dialing", "ringing", "progressing", "terminating", "canceling", "hangup"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Dialing,
    Ringing,
    Progressing,
    /// Asked to end, after the answer or by us on an incoming call.
    Terminating,
    /// Asked to end before the answer of an outgoing call.
    Canceling,
    Hangup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    Incoming,
    Outgoing,
}

impl Status {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Status::Dialing => "dialing",
            Status::Ringing => "ringing",
            Status::Progressing => "progressing",
            Status::Terminating => "terminating",
            Status::Canceling => "canceling",
            Status::Hangup => "hangup",
        }
    }

    /// What a report of the engine makes of it. `None` when it changes nothing: reports repeat.
    pub(super) const fn next(self, event: &LegEvent) -> Option<Status> {
        match (self, event) {
            (Status::Hangup, _) => None,
            (_, LegEvent::Ended { .. }) => Some(Status::Hangup),
            (Status::Dialing, LegEvent::Ringing) => Some(Status::Ringing),
            (Status::Dialing | Status::Ringing, LegEvent::Answered) => Some(Status::Progressing),
            _ => None,
        }
    }

    /// What the wish to end it makes of it. `None` when it is ending already.
    pub(super) const fn ending(self, way: Way) -> Option<Status> {
        match (self, way) {
            (Status::Dialing | Status::Ringing, Way::Outgoing) => Some(Status::Canceling),
            (Status::Dialing | Status::Ringing, Way::Incoming) | (Status::Progressing, _) => {
                Some(Status::Terminating)
            }
            (Status::Terminating | Status::Canceling | Status::Hangup, _) => None,
        }
    }

    pub(super) const fn is_unanswered(self) -> bool {
        matches!(self, Status::Dialing | Status::Ringing)
    }
}

pub(super) const REASONS: &[&str] =
    &["", "normal", "failed", "busy", "cancel", "timeout", "noanswer", "dialout", "amd"];

/// Why a call ended, in VoIPBIN's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reason {
    #[default]
    #[serde(rename = "")]
    None,
    Normal,
    Failed,
    Busy,
    Cancel,
    Timeout,
    Noanswer,
    Dialout,
    Amd,
}

impl Reason {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Reason::None => "",
            Reason::Normal => "normal",
            Reason::Failed => "failed",
            Reason::Busy => "busy",
            Reason::Cancel => "cancel",
            Reason::Timeout => "timeout",
            Reason::Noanswer => "noanswer",
            Reason::Dialout => "dialout",
            Reason::Amd => "amd",
        }
    }

    /// The cause that tells the peer of a wish to end.
    pub(super) const fn cause(self) -> Cause {
        match self {
            Reason::None | Reason::Normal | Reason::Cancel => CAUSE_NORMAL,
            Reason::Timeout => CAUSE_DURATION,
            Reason::Failed => 18,
            Reason::Busy => CAUSE_BUSY,
            Reason::Noanswer | Reason::Dialout => CAUSE_NO_ANSWER,
            Reason::Amd => 201,
        }
    }
}

/// The reason to record. What was asked for wins over what the engine concludes; upstream forgot it.
pub(super) const fn reason(way: Way, last: Status, cause: Cause, asked: Reason) -> Reason {
    match (way, last) {
        (Way::Outgoing, Status::Canceling) if matches!(asked, Reason::None | Reason::Normal) => {
            Reason::Cancel
        }
        (_, Status::Terminating | Status::Canceling | Status::Hangup) => {
            if matches!(asked, Reason::None) {
                Reason::Normal
            } else {
                asked
            }
        }
        (_, Status::Progressing) if cause == CAUSE_DURATION => Reason::Timeout,
        (_, Status::Progressing) => Reason::Normal,
        (Way::Incoming, Status::Dialing | Status::Ringing) => match cause {
            CAUSE_NO_ANSWER => Reason::Noanswer,
            CAUSE_BUSY => Reason::Busy,
            _ => Reason::Cancel,
        },
        (Way::Outgoing, Status::Dialing | Status::Ringing) => match cause {
            18 | CAUSE_NO_ANSWER | 21 => Reason::Noanswer,
            CAUSE_BUSY => Reason::Busy,
            CAUSE_NORMAL | 26 => Reason::Normal,
            0 => Reason::Dialout,
            _ => Reason::Failed,
        },
    }
}

/// `remote` when the peer ended it, else `local`: also when a limit of ours did.
pub(super) const fn ended_by(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Remote => "remote",
        EndedBy::Local | EndedBy::Timeout => "local",
    }
}

/// May the next carrier be tried? Not when the called party itself said no.
pub(super) const fn may_fail_over(way: Way, status: Status, cause: Cause) -> bool {
    matches!(way, Way::Outgoing)
        && status.is_unanswered()
        && !matches!(cause, CAUSE_NORMAL | CAUSE_BUSY | CAUSE_NO_ANSWER | 21 | 26 | CAUSE_DURATION | 201)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(events: &[LegEvent], expected: Status) {
        let end = events.iter().fold(Status::Dialing, |s, e| s.next(e).unwrap_or(s));
        assert_eq!(end, expected, "{events:?}");
    }

    const ENDED: LegEvent = LegEvent::Ended { cause: 17, status: 486, by: EndedBy::Remote };

    #[test]
    fn engines_repeat_and_reorder() {
        use LegEvent::{Answered, Ringing};
        check(&[Ringing, Ringing, Answered], Status::Progressing);
        check(&[Answered, Ringing], Status::Progressing);
        check(&[Ringing, ENDED, Answered], Status::Hangup);
    }

    #[test]
    fn an_end_is_asked_for_once() {
        assert_eq!(Status::Ringing.ending(Way::Outgoing), Some(Status::Canceling));
        assert_eq!(Status::Ringing.ending(Way::Incoming), Some(Status::Terminating));
        assert_eq!(Status::Progressing.ending(Way::Outgoing), Some(Status::Terminating));
        assert_eq!(Status::Canceling.ending(Way::Outgoing), None);
    }

    #[test]
    fn reasons_follow_the_table() {
        use Reason::{Busy, Cancel, Failed, Noanswer, Normal, Timeout};
        for (way, last, cause, asked, expected) in [
            (Way::Incoming, Status::Ringing, 19, Reason::None, Noanswer),
            (Way::Incoming, Status::Ringing, 16, Reason::None, Cancel),
            (Way::Incoming, Status::Progressing, 200, Reason::None, Timeout),
            (Way::Incoming, Status::Terminating, 17, Busy, Busy),
            (Way::Outgoing, Status::Dialing, 17, Reason::None, Busy),
            (Way::Outgoing, Status::Dialing, 0, Reason::None, Reason::Dialout),
            (Way::Outgoing, Status::Ringing, 34, Reason::None, Failed),
            (Way::Outgoing, Status::Canceling, 16, Normal, Cancel),
            (Way::Outgoing, Status::Progressing, 16, Reason::None, Normal),
        ] {
            assert_eq!(reason(way, last, cause, asked), expected, "{way:?} {last:?} {cause}");
        }
    }

    #[test]
    fn a_called_party_that_said_no_is_not_tried_elsewhere() {
        for (cause, status, expected) in
            [(34, Status::Dialing, true), (17, Status::Dialing, false), (34, Status::Progressing, false)]
        {
            assert_eq!(may_fail_over(Way::Outgoing, status, cause), expected, "{cause}");
        }
        assert!(!may_fail_over(Way::Incoming, Status::Ringing, 34));
    }
}
