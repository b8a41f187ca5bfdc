//! A node: which backends, which domains, and how requests find them.

pub mod admin;
pub mod bus;
pub mod cli;
pub mod config;
pub mod demo;
mod directory;
pub mod first;
mod keys;
mod node;
pub mod outward;
mod plan;
mod probe;
mod retry;
pub mod run;
pub mod speech;
pub mod telemetry;

pub use first::Welcome;
pub use node::Node;
pub use plan::Plan;
