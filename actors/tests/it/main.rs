//! The kernel through its public face, in paused time.

#![allow(clippy::disallowed_methods, reason = "a test joins what it spawns")]
#![allow(clippy::unwrap_used, reason = "a test fails where it is wrong")]

mod supervisor;
