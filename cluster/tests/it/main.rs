//! A whole node through its real interfaces.

mod calls;
mod catalog;
mod flows;
mod platform;
mod rows;
mod tidy;
