//! What may be forgotten at any time, in this process. A shared cache is the node's business.

mod memory;
mod rate;

pub use memory::memory;
