//! What a node tells about itself: log lines, metrics and, with the feature `otel`, traces.

pub(crate) mod bus;
pub(crate) mod cache;
pub(crate) mod figures;
pub mod logs;
mod members;
pub mod metrics;
#[cfg(feature = "otel")]
mod otel;
pub mod trace;
mod words;
