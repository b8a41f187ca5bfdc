//! Real engines on loopback: they call each other, and everything else that speaks SIP calls them.

mod auth;
mod calls;
mod hostile;
mod phones;
mod raw;
mod resume;
mod sipp;
mod support;
