//! Where a peer's packets come from, and so where ours go (symmetric RTP, RFC 4961).
//!
//! Behind a NAT the address in the SDP is not where packets come from: the first valid packet shows the real
//! one. From then on only that address is heard, so that nobody who guesses our port can speak into a call.

use std::net::SocketAddr;
use std::time::Duration;

use super::clock::ticks;

/// A latched source this long silent may have moved to another port of its address (a NAT that forgot it).
const MOVED_AFTER: u64 = ticks(Duration::from_secs(2));

pub(super) struct Latch {
    declared: SocketAddr,
    source: Option<SocketAddr>,
    heard: u64,
}

impl Latch {
    pub(super) fn new(declared: SocketAddr) -> Self {
        Latch { declared, source: None, heard: 0 }
    }

    /// The peer says where it is, perhaps again. Saying the same keeps the source that proved itself.
    pub(super) fn declare(&mut self, declared: SocketAddr) {
        if self.declared != declared {
            *self = Latch::new(declared);
        }
    }

    /// Whether a valid packet from `from` is the peer's. The declared address always is.
    pub(super) fn accepts(&mut self, from: SocketAddr, tick: u64) -> bool {
        let moved = |source: SocketAddr| {
            tick.saturating_sub(self.heard) > MOVED_AFTER
                && (from.ip() == source.ip() || from.ip() == self.declared.ip())
        };
        let accepted =
            from == self.declared || self.source.is_none_or(|source| source == from || moved(source));
        if accepted {
            (self.source, self.heard) = (Some(from), tick);
        }
        accepted
    }

    /// Where to send.
    pub(super) fn target(&self) -> SocketAddr {
        self.source.unwrap_or(self.declared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("a literal address")
    }

    #[test]
    fn the_first_source_is_kept_and_an_injector_is_not_heard() {
        let (declared, nat, injector) =
            (address("192.168.0.2:4000"), address("1.2.3.4:5000"), address("6.6.6.6:6"));
        let mut latch = Latch::new(declared);
        assert_eq!(latch.target(), declared);
        assert!(latch.accepts(nat, 0));
        assert!(!latch.accepts(injector, 1));
        assert!(!latch.accepts(injector, 10_000));
        assert_eq!(latch.target(), nat);
    }

    #[test]
    fn the_declared_address_wins_over_an_early_stranger() {
        let (declared, stranger) = (address("1.2.3.4:4000"), address("6.6.6.6:6"));
        let mut latch = Latch::new(declared);
        assert!(latch.accepts(stranger, 0));
        assert!(latch.accepts(declared, 1));
        assert!(!latch.accepts(stranger, 2));
    }

    #[test]
    fn a_silent_source_may_move_to_another_port_of_its_address() {
        let mut latch = Latch::new(address("192.168.0.2:4000"));
        assert!(latch.accepts(address("1.2.3.4:5000"), 0));
        assert!(!latch.accepts(address("1.2.3.4:5002"), MOVED_AFTER));
        assert!(latch.accepts(address("1.2.3.4:5002"), MOVED_AFTER + 1));
    }

    #[test]
    fn a_new_declaration_forgets_the_source_and_the_same_does_not() {
        let mut latch = Latch::new(address("1.1.1.1:1000"));
        assert!(latch.accepts(address("2.2.2.2:2000"), 0));
        latch.declare(address("1.1.1.1:1000"));
        assert_eq!(latch.target(), address("2.2.2.2:2000"));
        latch.declare(address("3.3.3.3:3000"));
        assert_eq!(latch.target(), address("3.3.3.3:3000"));
    }
}
