//! HTTP in front of the domains. The only place that knows who is asking.

mod access;
mod auth;
mod body;
mod claimed;
mod connection;
mod cors;
mod errand;
mod figures;
mod fingerprint;
mod front;
mod go_json;
mod hub;
mod idempotency;
mod identity;
mod limit;
mod once;
mod openapi;
mod parts;
mod query;
mod recent;
mod references;
mod reply;
mod request_id;
mod response;
mod route;
mod serve;
mod settings;
mod system;
mod tls;
mod token;
mod topics;
mod websocket;

pub use auth::UNSERVED;
pub use parts::{Check, Parts, Probe};
pub use serve::{Server, start};
pub use settings::{Limits, Rate, Settings};

use access::Caller;
use identity::{Authority, Credential};
