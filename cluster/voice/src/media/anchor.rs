//! What must be journalled of a stream, once, so that another process goes on with it.

use serde::{Deserialize, Serialize};

use super::clock::FRAME;

/// A stream's first packet. Every later one follows from the time: sequence number and frame of the moment are
/// `seq + (now - at_us) / 20 ms`. Nothing is written per packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Anchor {
    /// The local RTP port.
    pub(crate) port: u16,
    pub(crate) ssrc: u32,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    /// Wall clock of the first frame, in microseconds since 1970.
    pub(crate) at_us: i64,
}

impl Anchor {
    /// A stream that starts now, at random numbers (RFC 3550 5.1).
    pub(super) fn fresh(port: u16) -> Anchor {
        Anchor { port, ssrc: rand::random(), seq: rand::random(), timestamp: rand::random(), at_us: now_us() }
    }

    /// Frames between the first one and now. A wall clock that was set back gives 0.
    pub(super) fn slots(&self) -> u64 {
        let passed = u64::try_from(now_us().saturating_sub(self.at_us)).unwrap_or(0);
        passed / FRAME.as_micros() as u64
    }
}

fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
