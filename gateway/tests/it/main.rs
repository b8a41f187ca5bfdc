//! The gateway on a real port, in front of a small domain in memory.

#![allow(clippy::disallowed_methods, reason = "a test joins what it spawns")]
#![expect(clippy::unwrap_used, reason = "a test ends where its ground is not as it says")]

mod certificate;
mod client;
mod credentials;
mod domain;
mod edge;
mod grants;
mod keys;
mod lists;
mod once;
mod parts;
mod sockets;
mod tls;
mod world;
