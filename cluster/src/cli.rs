//! What operators ask a running node from a terminal: the answers, for people to read.
//!
//! Texts come from callers and carriers: control characters are replaced, so that nobody writes to the terminal.

mod calls;
pub(crate) mod client;
mod table;
mod tree;

pub use calls::calls;
pub use tree::tree;
