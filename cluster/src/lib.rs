//! A node: which backends, which domains, and how requests find them.

pub mod admin;
pub mod bus;
pub mod chaos;
pub mod cli;
pub mod config;
mod console;
pub mod demo;
mod directory;
pub mod first;
mod installation;
mod keys;
mod listen;
mod node;
pub mod outward;
mod plan;
pub mod pods;
mod probe;
mod retry;
pub mod run;
pub mod speech;
mod stop;
pub mod telemetry;

pub use first::Welcome;
pub use node::Node;
pub use plan::Plan;

/// Rows and events are many small allocations that one thread makes and another frees: the system's allocator
/// spends a tenth of a call on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
