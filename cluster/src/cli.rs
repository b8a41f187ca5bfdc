//! What operators ask a running node from a terminal: the answers, for people to read, or as JSON for scripts.
//!
//! Texts come from callers and carriers: control characters are replaced, so that nobody writes to the terminal.

mod act;
mod calls;
pub(crate) mod client;
mod events;
mod hinder;
mod replay;
mod screen;
mod table;
mod top;
mod tree;

pub use act::{act, drain, log};
pub use calls::calls;
pub use client::{Identity, Operator};
pub use events::events;
pub use hinder::{hinder, lift};
pub use replay::replay;
pub use top::top;
pub use tree::tree;
