//! The flow domain: stored flows, and activeflows that run them.

mod action;
pub(crate) mod api;
mod check;
mod digits;
mod literal;
mod machine;
mod option;
mod reader;
mod stack;
mod state;
mod template;
#[cfg(test)]
mod tests;
mod variables;
