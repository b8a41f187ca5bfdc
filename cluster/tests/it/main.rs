//! A whole node through its real interfaces.

#![allow(clippy::disallowed_methods, reason = "a test joins what it spawns")]
#![allow(clippy::unwrap_used, reason = "a test fails where it is wrong")]

mod api;
#[path = "../../kubernetes/tests/it/api_server.rs"]
#[expect(dead_code, reason = "the tests of the client do more with it")]
mod api_server;
mod bus;
mod cache;
mod calls;
mod catalog;
mod charts;
mod contract;
mod faults;
mod first;
mod flows;
mod groups;
mod idempotency;
mod kernel;
#[path = "../../../persistence/tests/it/mariadb.rs"]
mod mariadb;
mod market;
mod money;
mod monitoring;
mod nodes;
mod operators;
mod overload;
mod pair;
mod peers;
mod people;
mod platform;
mod process;
#[path = "../../../persistence/tests/it/redis.rs"]
mod redis;
mod rows;
mod sentinel;
mod server;
mod socket;
mod survival;
mod tidy;
mod timeline;
mod trio;
mod trunks;
mod versions;
mod webhooks;
