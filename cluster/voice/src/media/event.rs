//! What the media thread tells, and the way out that loses none of it.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use uuid::Uuid;

/// Events ready to be taken by the SIP half.
const CAPACITY: usize = 1024;
/// Events that wait for room in the channel. Beyond that no order is accepted and no digit heard, so that only
/// what is already under way adds to them: one end for each sound and digit command, one time-out for each leg.
const WAITING: usize = 1024;

/// Something that happened on a leg. Events of one leg are in order; after `Media::close` few that were on
/// their way may still come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MediaEvent {
    pub(crate) leg: Uuid,
    pub(crate) kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// The peer pressed a key: told once, at its end.
    Digit {
        digit: char,
        duration_ms: u32,
    },
    /// All was heard, or it was stopped or replaced.
    PlayFinished {
        id: Uuid,
    },
    DigitsSent {
        id: Uuid,
    },
    Joined {
        bridge: Uuid,
    },
    Left {
        bridge: Uuid,
    },
    /// No RTP for the configured time while both sides should be sending. Told once until RTP comes again.
    Timeout,
}

pub(super) fn channel() -> (Outbox, mpsc::Receiver<MediaEvent>) {
    let (events, taken) = mpsc::channel(CAPACITY);
    (Outbox { events, waiting: VecDeque::new() }, taken)
}

/// The sending end: never waits, never drops.
pub(super) struct Outbox {
    events: mpsc::Sender<MediaEvent>,
    waiting: VecDeque<MediaEvent>,
}

impl Outbox {
    pub(super) fn push(&mut self, leg: Uuid, kind: EventKind) {
        self.waiting.push_back(MediaEvent { leg, kind });
        self.flush();
    }

    /// Sends what there is room for.
    pub(super) fn flush(&mut self) {
        while !self.waiting.is_empty() {
            // Full: the next tick tries again. Closed: nobody is left to tell.
            let Ok(room) = self.events.try_reserve() else { return };
            if let Some(event) = self.waiting.pop_front() {
                room.send(event);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether nothing should be started that leads to more events.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_while_nobody_takes_events() {
        let (mut outbox, mut taken) = channel();
        for id in 0..CAPACITY + WAITING {
            assert!(!outbox.is_full());
            outbox.push(Uuid::from_u128(id as u128), EventKind::Timeout);
        }
        assert!(outbox.is_full());
        for id in 0..CAPACITY + WAITING {
            assert_eq!(taken.try_recv().ok().map(|event| event.leg), Some(Uuid::from_u128(id as u128)));
            outbox.flush();
        }
        assert!(!outbox.is_full());
    }
}
