//! The voice engine: SIP and RTP behind [`protocol::ports::voice::VoiceEngine`].
//!
//! It translates between telephones and legs and decides nothing about calls. A live call outlives the process:
//! every dialog is journalled before the wire sees what it promises.

mod admit;
mod call;
mod carrier;
mod dial;
mod engine;
mod journal;
mod media;
mod memory;
mod outside;
mod phone;
mod resume;
mod settings;
mod sip;
mod table;
mod trust;

pub use carrier::{Carrier, Far};
pub use engine::{Engine, start};
pub use journal::MemoryJournal;
pub use memory::{MemoryEngine, Script};
pub use phone::{Account, Phone, PhoneEvent};
pub use settings::{Local, Settings};
