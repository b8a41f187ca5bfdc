//! The voice engine: signalling and media of legs. It translates and decides nothing.
//!
//! Outwards: commands to a leg, one ordered stream of reports. Inwards: [`VoiceHost`], through which the
//! engine asks who may register or call, and [`DialogJournal`], without which no dialog would outlive its
//! process.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use crate::Result;

/// One party of one call. A leg has the id of its call.
pub type LegId = Uuid;

/// Q.850 cause of an end. 200 and 201 are ours and never go on the wire: time is up, answering machine.
pub type Cause = u16;

pub const CAUSE_NORMAL: Cause = 16;
pub const CAUSE_BUSY: Cause = 17;
pub const CAUSE_NO_ANSWER: Cause = 19;
pub const CAUSE_FAILED: Cause = 38;
pub const CAUSE_DURATION: Cause = 200;

/// The SIP status that tells a caller of this cause before the call is answered.
pub const fn sip_status(cause: Cause) -> u16 {
    match cause {
        1..=3 => 404,
        17 => 486,
        18 => 408,
        19 | 20 | 31 => 480,
        21 => 403,
        22 => 410,
        27 => 502,
        28 => 484,
        29 => 501,
        34 | 42 | 66 => 503,
        58 => 488,
        16 | 26 => 603,
        _ => 500,
    }
}

/// The cause that a final SIP status means (RFC 3398 7.2.4.1, and VoIPBIN's table).
pub const fn cause_of(status: u16) -> Cause {
    match status {
        401 | 402 | 403 | 407 => 21,
        404 | 604 => 1,
        405 => 63,
        408 => 18,
        410 => 22,
        480 => 19,
        484 => 28,
        486 | 600 => 17,
        487 => 16,
        488 | 606 => 58,
        501 => 29,
        502 => 27,
        503 => 34,
        504 => 102,
        603 => 21,
        _ => 38,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Udp,
    Tcp,
}

/// Where and as whom to place a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dial {
    /// The Request-URI: `sip:+15551234@carrier.example`.
    pub uri: String,
    /// Where to send it, when that is not what the URI says: a registered contact's source address.
    #[serde(default)]
    pub destination: Option<SocketAddr>,
    pub transport: Transport,
    /// User part, display name and domain of From.
    pub from: Caller,
    /// Answers a challenge of this realm only (a trunk's own): never anybody else's.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Codecs by preference (`PCMU`, `PCMA`); empty: the engine's own list.
    #[serde(default)]
    pub codecs: Vec<String>,
    /// How long to wait for a final response before CANCEL, in milliseconds.
    pub timeout_ms: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Caller {
    pub user: String,
    pub name: String,
    pub domain: String,
    /// Hide it: From is anonymous, `Privacy: id`, the identity goes into P-Asserted-Identity.
    #[serde(default)]
    pub anonymous: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    pub realm: String,
    pub username: String,
    pub password: String,
}

/// Which way of a leg's audio: `In` is from the peer to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    In,
    Out,
    Both,
}

/// Something to hear.
#[derive(Clone, Debug)]
pub enum Sound {
    /// A WAV file, 8 or 16 bit PCM, A-law or mu-law, mono or stereo, 8 to 48 kHz.
    Wav(Bytes),
    Tone(Tone),
}

/// A cadence: `frequencies` for `on_ms`, silence for `off_ms`, until `total_ms` (0: until stopped).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tone {
    pub frequencies: Vec<u16>,
    pub on_ms: u32,
    pub off_ms: u32,
    pub total_ms: u32,
}

/// What a leg can be told. Each is accepted or refused at once; what follows is reported.
#[derive(Clone, Debug)]
pub enum Command {
    /// Places the outgoing call of a new leg.
    Dial(Box<Dial>),
    /// 180 to an incoming leg.
    Ring,
    /// 183 with SDP: audio flows before the answer.
    Early,
    /// 200 to an incoming leg. Answering twice is no error.
    Answer,
    /// Ends the leg: BYE, CANCEL or a final response, as its state asks for. Ending twice is no error.
    Hangup {
        cause: Cause,
    },
    /// Plays one sound after another to the peer, then reports `PlayFinished { id }`. Replaces what plays.
    Play {
        id: Uuid,
        sounds: Vec<Sound>,
    },
    /// Stops what plays; `PlayFinished` follows.
    Stop,
    /// Sends RFC 4733 digits, then reports `DigitsSent { id }`.
    Digits {
        id: Uuid,
        digits: String,
        duration_ms: u32,
        gap_ms: u32,
    },
    Mute(Direction),
    Unmute(Direction),
    /// re-INVITE with `sendonly` (true) or `sendrecv`.
    Hold(bool),
    /// Sends silence instead of bridged audio.
    Silence(bool),
    /// Music on hold to the peer, whatever the bridge says.
    Music(bool),
    /// Joins a two-party bridge; packets are relayed as they are where codecs match.
    Join {
        bridge: Uuid,
    },
    Leave,
}

/// What happened on a leg. `seq` counts per leg from 1, without gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub leg: LegId,
    pub seq: u64,
    pub event: LegEvent,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegEvent {
    Ringing,
    /// 183 or 180 with SDP: the peer's audio is there.
    EarlyMedia,
    Answered,
    /// The peer holds (`sendonly` or `inactive`), or no longer.
    Held(bool),
    Digit {
        digit: char,
        duration_ms: u32,
    },
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
    /// No RTP from the peer for the engine's limit.
    MediaTimeout,
    /// The last report of a leg.
    Ended {
        cause: Cause,
        status: u16,
        by: EndedBy,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// The peer, or its final response.
    Remote,
    /// We, on command.
    Local,
    /// Nobody answered in time, or the dialog's peer is gone.
    Timeout,
}

/// What a leg is right now, for an actor that was rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegState {
    Dialing,
    Ringing,
    Up,
}

#[async_trait]
pub trait VoiceEngine: Send + Sync {
    /// Gives a leg a command. An unknown leg is `NotFound`; a full engine is `Unavailable`.
    async fn command(&self, leg: LegId, command: Command) -> Result<()>;
    /// The one stream of reports: ordered per leg, bounded; the engine waits rather than drops an `Ended`.
    /// Given once; a second call answers `None`.
    fn reports(&self) -> Option<mpsc::Receiver<Report>>;
    /// The truth about a leg; `None` when the engine has no such leg.
    fn state(&self, leg: LegId) -> Option<LegState>;
    /// Legs alive, for metrics and draining.
    fn legs(&self) -> usize;
    /// Until then the calls of this node are surely its own. After it the engine says nothing to any peer, neither
    /// in SIP nor in RTP, until it is told of a later time: another node may carry them.
    fn trust(&self, until: Instant);
    /// Goes on with every dialog that the journal has for this node and the engine does not know yet: it was
    /// another node's. Its peer is told of the new address. Answers how many there were.
    async fn resume(&self) -> Result<usize>;
}

/// A user and host of a SIP URI.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    pub user: String,
    pub domain: String,
    pub name: String,
}

/// What the engine knows of a request before it trusts it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The host of the Request-URI for INVITE, of To for REGISTER, lower case.
    pub domain: String,
    /// The host of From, lower case.
    pub from_domain: String,
    pub source: SocketAddr,
    pub transport: Transport,
}

/// What to do with a request from `Origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// No such domain: 404 (403 for REGISTER).
    Unknown,
    /// The source address is enough.
    Trusted(Subject),
    /// Anybody may call here (public entries of direct hashes).
    Open,
    /// Digest authentication with this realm.
    Challenge { realm: String },
}

/// Who a request proved to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    Extension { id: Uuid, customer_id: Uuid },
    Trunk { id: Uuid, customer_id: Uuid },
    Carrier { id: Uuid },
}

/// What a digest answer is checked against.
#[derive(Clone)]
pub struct Secret {
    pub subject: Subject,
    /// Lower-case hex MD5 of `username:realm:password` (RFC 2617 3.2.2.2).
    pub ha1: String,
}

/// An INVITE that passed the gate. The engine has answered 100 and journalled nothing yet.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub leg: LegId,
    pub subject: Option<Subject>,
    pub from: Party,
    pub to: Party,
    pub source: IpAddr,
    pub sip_call_id: String,
    /// The dialog as the journal takes it.
    pub dialog: Bytes,
}

/// A contact of a registered phone (RFC 3261 10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub uri: String,
    /// Where the REGISTER came from: requests go there (RFC 3581), whatever the URI says.
    pub source: SocketAddr,
    pub transport: Transport,
    /// Seconds that the binding still lives; 0 removes it.
    pub expires: u32,
    pub call_id: String,
    pub cseq: u32,
    #[serde(default)]
    pub user_agent: String,
}

/// The platform as the engine sees it.
#[async_trait]
pub trait VoiceHost: Send + Sync {
    async fn gate(&self, origin: &Origin) -> Result<Gate>;
    /// `None` for an unknown user; the engine answers both alike, in the same time.
    async fn secret(&self, realm: &str, username: &str) -> Result<Option<Secret>>;
    /// Adds, refreshes or removes contacts of an extension and returns those that are left. An empty list
    /// only asks; `all` removes every one (`Contact: *`).
    async fn bind(
        &self,
        extension: Uuid,
        customer: Uuid,
        contacts: Vec<Contact>,
        all: bool,
    ) -> Result<Vec<Contact>>;
    /// A call comes in. `Ok`: the call exists and commands will follow. An error: its status is sent.
    async fn incoming(&self, incoming: Incoming) -> Result<Journalled>;
}

/// Whether the host has kept the dialog of an incoming call, together with the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journalled {
    Yes,
    /// The engine writes it.
    No,
}

/// Where dialogs are kept. A write is on disk when it returns: the rules that say what is written before
/// which message are in docs/ARCHITECTURE.md.
#[async_trait]
pub trait DialogJournal: Send + Sync {
    async fn put(&self, leg: LegId, state: Bytes) -> Result<()>;
    /// As [`DialogJournal::put`], where nothing depends on it that is done next: it may take a little longer, to be
    /// written together with something else.
    async fn put_soon(&self, leg: LegId, state: Bytes) -> Result<()>;
    /// May take a little longer, too.
    async fn erase(&self, leg: LegId) -> Result<()>;
    /// Every dialog this node left behind.
    async fn all(&self) -> Result<Vec<(LegId, Bytes)>>;
}
