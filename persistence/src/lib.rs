//! Where a node keeps what must not be lost (store), what may be forgotten (cache) and its key (vault).
//!
//! Callers hold ports and never see a database: [`open`] reads the kind from the URL.

pub mod cache;
mod open;
mod sql;
pub mod vault;

pub use open::open;
