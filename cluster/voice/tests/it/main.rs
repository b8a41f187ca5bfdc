//! Real engines on loopback: they call each other, and everything else that speaks SIP calls them.

#![allow(clippy::disallowed_methods, reason = "a test joins what it spawns")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod auth;
mod calls;
mod crash;
mod dialogs;
mod hostile;
mod killed;
mod memory;
mod moved;
mod phones;
mod raw;
mod registrar;
mod resume;
mod scene;
mod sipp;
mod stream;
mod support;
