//! One leg: its dialog (RFC 3261 12), what each input does to it, and the task that carries that out.
//!
//! `step` decides and performs nothing; `leg` performs and decides nothing. A dialog is journalled before the
//! wire sees what it promises; the order of effects is that rule.

pub(crate) mod dialog;
pub(crate) mod early;
pub(crate) mod finish;
pub(crate) mod leg;
mod middle;
pub(crate) mod moved;
pub(crate) mod outgoing;
pub(crate) mod session;
mod step;

pub(crate) use dialog::{Dialog, Own, Phase, Role};
pub(crate) use step::{Effect, Input, Signal, Timer, step};
