//! SIP below the dialog: messages, their check, sockets and transactions, digest and registrations.

pub(crate) mod auth;
pub(crate) mod check;
pub(crate) mod digest;
pub(crate) mod headers;
mod listen;
pub(crate) mod registrar;
pub(crate) mod transact;
