//! Text to speech: one question, no state. Which engine speaks is the node's business.

pub(crate) mod api;
mod synthesize;

use std::sync::Arc;

use protocol::ports::Deps;
use protocol::{Access, Ops, Resource};

use crate::kernel::Domain;

/// Speech is made and given away, never stored: the resource exists for its verb.
pub(crate) static SPEECH: Resource =
    Resource::new("speech", "speeches", &[]).ops(Ops::NONE).access(Access::INTERNAL);

pub(crate) fn domain(deps: &Deps) -> Domain {
    let state = Arc::new(deps.clone());
    Domain::new("tts-manager", deps).resource(&SPEECH).ask(&state, synthesize::synthesize)
}
