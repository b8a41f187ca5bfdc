//! A whole node through its real interfaces.

#![allow(clippy::disallowed_methods, reason = "a test joins what it spawns")]
#![allow(clippy::unwrap_used, reason = "a test fails where it is wrong")]

mod api;
mod calls;
mod catalog;
mod flows;
mod peers;
mod platform;
mod rows;
mod tidy;
