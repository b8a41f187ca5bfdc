//! What a leg can be told, and the same once it is checked and ready for the media thread.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::ports::voice::{Direction, Sound};
use protocol::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use super::codec::Codec;
use super::dialing::Digits;
use super::player::Player;

/// The peer's side of a stream, as negotiated (see [`super::sdp`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Where the peer says it listens. Packets from elsewhere are followed (symmetric RTP).
    pub(crate) address: SocketAddr,
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    /// Payload type of telephone-events; `None` when the peer takes none: digits are then sent as tones.
    pub(crate) digits_type: Option<u8>,
    /// Whether we send to it.
    pub(crate) send: bool,
    /// Whether we listen to it. A peer that is only listened to or only spoken to never times out.
    pub(crate) receive: bool,
}

/// What a leg can be told. What follows is a [`super::MediaEvent`].
#[derive(Debug)]
pub(crate) enum MediaCommand {
    /// Replaces what plays, whose `PlayFinished` comes first. Starts when the leg is connected.
    Play {
        id: Uuid,
        sounds: Vec<Sound>,
    },
    /// `PlayFinished` follows if anything played.
    Stop,
    /// Sent after those that are on their way.
    Digits {
        id: Uuid,
        digits: String,
        duration_ms: u32,
        gap_ms: u32,
    },
    /// `In`: the peer is not heard in the bridge; its digits still are. `Out`: the peer hears silence, and what
    /// plays runs on unheard.
    Mute(Direction),
    Unmute(Direction),
    /// Silence instead of the bridge.
    Silence(bool),
    /// Music on hold instead of the bridge.
    Music(bool),
    /// Leaves any other bridge first. Each bridge has room for two.
    Join {
        bridge: Uuid,
    },
    /// Being in no bridge is no error, and nothing is told of it.
    Leave,
    /// The level of a frequency in the last 500 ms heard from the peer, in dB below a sine at full scale.
    Measure {
        frequency: u16,
        reply: oneshot::Sender<f32>,
    },
}

/// A command that cannot fail any more.
pub(super) enum Action {
    Connect(Remote),
    Play(Player),
    Stop,
    Digits(Digits, OwnedSemaphorePermit),
    Mute(Direction, bool),
    Silence(bool),
    Music(bool),
    Join(Uuid),
    Leave,
    Measure(u16, oneshot::Sender<f32>),
}

impl Action {
    /// Everything that can be wrong is found here, before the media thread hears of it.
    pub(super) fn new(command: MediaCommand, digits_room: &Arc<Semaphore>) -> Result<Action> {
        Ok(match command {
            MediaCommand::Play { id, sounds } => Action::Play(Player::new(id, &sounds)?),
            MediaCommand::Stop => Action::Stop,
            MediaCommand::Digits { id, digits, duration_ms, gap_ms } => {
                let digits = Digits::new(id, &digits, duration_ms, gap_ms)?;
                let room = Arc::clone(digits_room).try_acquire_owned();
                Action::Digits(digits, room.map_err(|_| Error::state("Too many digits are on their way."))?)
            }
            MediaCommand::Mute(direction) => Action::Mute(direction, true),
            MediaCommand::Unmute(direction) => Action::Mute(direction, false),
            MediaCommand::Silence(on) => Action::Silence(on),
            MediaCommand::Music(on) => Action::Music(on),
            MediaCommand::Join { bridge } => Action::Join(bridge),
            MediaCommand::Leave => Action::Leave,
            MediaCommand::Measure { frequency, reply } => Action::Measure(frequency, reply),
        })
    }

    /// The bridge of the leg after this, when it is in `current` before.
    pub(super) fn bridge(&self, current: Option<Uuid>) -> Option<Uuid> {
        if let Action::Join(bridge) = self {
            return Some(*bridge);
        }
        current.filter(|_| !matches!(self, Action::Leave))
    }
}
