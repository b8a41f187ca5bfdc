//! The domains. `kernel` is the machinery they share; every other module is one domain.

pub mod kernel;

mod call;
mod flow;
mod host;

pub use host::{Dialogs, Host};
