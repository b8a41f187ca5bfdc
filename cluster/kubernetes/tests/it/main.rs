//! Watching pods of an API server that is real HTTP and pretended state.

#![allow(clippy::disallowed_methods, reason = "a test joins what it spawns")]
#![allow(clippy::unwrap_used, reason = "a test fails where it is wrong")]

mod api_server;
mod faults;
mod follow;
mod watcher;
