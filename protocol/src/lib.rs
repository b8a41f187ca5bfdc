//! What every crate agrees on: resources, requests, events, errors, and the ports behind them.
//!
//! Nothing here performs I/O or spawns a task.

pub mod access;
pub mod address;
pub mod catalog;
pub mod delivered;
pub mod error;
pub mod event;
pub mod field;
pub mod idempotency;
pub mod identity;
pub mod ports;
pub mod request;
pub mod resource;
pub mod sock;
pub mod time;
pub mod view;

pub use access::{Access, Method, Reply, Rule, Verb};
pub use address::Address;
pub use catalog::{Catalog, Entry, Mount};
pub use error::{Error, Result, Status};
pub use event::Event;
pub use field::{Field, Kind};
pub use request::{Command, Context, Cursor, Op, Page, Request, Scope};
pub use resource::{Cell, Ops, Resource, Row, read};
pub use view::View;
