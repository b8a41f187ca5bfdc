//! The traits a deployment chooses implementations for. Domains see these and nothing behind them.

mod bound;
mod bus;
mod cache;
mod clock;
mod deps;
mod dispatch;
mod outward;
mod pods;
mod speech;
mod store;
mod vault;
pub mod voice;

pub use bound::Bound;
pub use bus::{Bus, Serve, Subscribe, Subscription};
pub use cache::Cache;
pub use clock::{Clock, SystemClock};
pub use deps::{Deps, Settings};
pub use dispatch::{Dispatch, ask_row};
pub use outward::{Answer, Outward, Send};
pub use pods::{Pod, PodWatch, Pods, Sighting};
pub use speech::{Speech, Utterance};
pub use store::{
    Entry, Filter, Journal, LATE, LEASE, Load, Peer, Pending, QUIET, Residents, Store, Timer, Unit, Write,
    part_of,
};
pub use vault::Vault;
pub use voice::VoiceEngine;
