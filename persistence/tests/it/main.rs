//! The behaviour of the crate through its public functions, on real databases.

#![allow(clippy::disallowed_methods, reason = "a test joins what it spawns")]
#![allow(clippy::unwrap_used, reason = "what a test cannot arrange fails it")]
#![allow(clippy::cognitive_complexity, reason = "assertions are no branches")]

mod cache;
mod cases;
mod database;
mod durability;
mod lease;
mod mariadb;
mod open;
mod outage;
mod redis;
mod sample;
mod schema;
mod store;
mod vault;
