//! A whole node through its real interfaces.

#![allow(clippy::disallowed_methods, reason = "a test joins what it spawns")]
#![allow(clippy::unwrap_used, reason = "a test fails where it is wrong")]

mod api;
mod calls;
mod catalog;
mod contract;
mod flows;
mod groups;
mod kernel;
mod nodes;
mod overload;
mod peers;
mod platform;
mod process;
mod rows;
mod tidy;
