//! cluster

pub mod bus;
pub mod config;
pub mod outward;
pub mod speech;
pub mod telemetry;
