//! The pod of a node is gone, says Kubernetes. That is a hint and no proof: its lease ends now, and whoever
//! looks for nodes that are gone takes over its calls, unless it still answers.

use std::sync::Arc;

use protocol::{Event, Result};
use serde::Deserialize;

use super::calls::Calls;

#[derive(Deserialize)]
struct Gone {
    #[serde(default)]
    node: String,
}

pub(super) async fn doubt(calls: Arc<Calls>, event: Arc<Event>) -> Result<()> {
    let Gone { node } = event.read()?;
    calls.deps.store.doubt(&node).await
}
