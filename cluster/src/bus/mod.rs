//! Backends of the bus. What crosses one is always the wire form, also between nodes of one process.

pub mod memory;
