//! The kernel through its public face, in paused time.

#![allow(clippy::disallowed_methods, reason = "a test joins what it spawns")]

mod supervisor;
