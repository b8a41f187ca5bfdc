//! Session descriptions (RFC 8866) and what two of them agree on (RFC 3264): one stream of G.711 with digits.
//!
//! Reading is lenient, because phones are not: an unknown line is skipped, a broken media line counts as
//! rejected. Writing is strict. Ids and versions are the caller's: they are journalled with the dialog.

mod build;
mod description;
mod flow;
#[cfg(test)]
mod tests;

pub(crate) use build::{Local, answer, offer};
pub(crate) use description::Description;
pub(crate) use flow::Flow;
