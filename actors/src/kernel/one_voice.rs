//! A call has one voice: until when a node may speak for its calls, and from when on another one may.
//!
//! Both halves stand here because neither is right alone. In the worst case the node has heard of nothing since
//! the moment at which the others begin to count, and nobody's clock is another's: only durations are compared,
//! each from a moment that is too early for the node and too late for its heir.

use protocol::ports::{LEASE, Peer, QUIET};
use protocol::time::Time;
use tokio::time::{Duration, Instant};

/// The word of the bus alone holds for so long: until it has been asked again, and has taken its time.
pub(super) const WORD: Duration = Duration::from_millis(1400);
/// A node whose lease is over may have been busy for so long without its calls being another's.
const BUSY: Duration = Duration::from_secs(3);
/// So long a node whose lease is over has answered nothing that the bus did deliver: more than [`BUSY`] and the
/// word that came before it.
const DEAF: Duration = Duration::from_secs(5);

/// What a node knows of its own right to speak.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// When the last renewal that succeeded began: the store has heard of this node since.
    renewed: Instant,
    /// Of the last sign of either witness.
    sign: Instant,
    until: Instant,
}

impl Standing {
    /// The store was told at `begun` or later, and nobody takes anything before it has been quiet for [`QUIET`].
    pub(super) fn renewed(begun: Instant) -> Self {
        Standing { renewed: begun, sign: begun, until: begun + QUIET }
    }

    /// Asked at `asked`, the bus said that it has had this node's queue without a break since `since`.
    ///
    /// A queue that went away meanwhile says nothing: others may have found it gone, and be counting. Nor does one
    /// that is there when the lease is over and this node has been deaf for a while.
    pub(super) fn heard(&mut self, since: Instant, asked: Instant) {
        if since <= self.renewed && asked < (self.sign + BUSY).max(self.renewed + LEASE) {
            self.sign = asked;
            self.until = self.until.max(asked + WORD);
        }
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

/// What the bus says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Here,
    /// Nobody has its queue.
    Gone,
    /// No answer came in time, and the bus is sound.
    Silent,
    /// The bus says nothing, of nobody.
    Unknown,
}

/// What another node knows of one that the store has not heard lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doubt {
    /// The end of the lease that all this is about: a node that moves it on is well.
    of: Option<Time>,
    /// When its queue was first found gone. One that comes back does not help its node before the store hears it.
    gone: Option<Instant>,
    /// When it was first asked of the questions that it answered none of.
    silent: Option<Instant>,
}

impl Doubt {
    /// Takes in what the bus said at `now`, when it was asked at `asked`.
    pub(super) fn hear(&mut self, peer: &Peer, word: Word, (asked, now): (Instant, Instant)) {
        if peer.until > self.of {
            *self = Doubt::default();
        }
        self.of = peer.until;
        match word {
            Word::Here | Word::Unknown => self.silent = None,
            Word::Gone => _ = self.gone.get_or_insert(now),
            Word::Silent => _ = self.silent.get_or_insert(asked),
        }
    }

    /// The node does not speak any more, whatever it still hears.
    pub(super) fn is_sure(&self, peer: &Peer, now: Instant) -> bool {
        let over = |since: Option<Instant>, long| since.is_some_and(|since| now >= since + long);
        (peer.quiet && over(self.gone, WORD)) || (!peer.alive && over(self.silent, DEAF))
    }
}

#[cfg(test)]
#[path = "one_voice_tests.rs"]
mod tests;
