//! Ending one actor on an operator's word. What follows is its supervisor's business.

use actors::kernel::{Branch, Kind};
use proto::admin::v1::StopMode;
use ractor::ActorStatus;
use tonic::Status;
use tracing::warn;

use super::tree::seek;

/// A live thing that ends with a reason is rebuilt: a call must not go on without its actor.
const REASON: &str = "stopped by an operator";

/// Ends the actor at `path`. False: none runs there.
pub(super) fn stop(tree: &Branch, path: &str, mode: StopMode) -> Result<bool, Status> {
    if mode == StopMode::Unspecified {
        return Err(Status::invalid_argument("mode must be STOP_MODE_STOP or STOP_MODE_CRASH"));
    }
    let path = path.trim_matches('/');
    let running = |status| !matches!(status, ActorStatus::Stopping | ActorStatus::Stopped);
    let Some(cell) = tree.find(path).filter(|cell| running(cell.get_status())) else {
        return Ok(false);
    };
    if mode == StopMode::Crash {
        cell.kill();
    } else if seek(tree, path).is_some_and(|leaf| leaf.kind == Kind::Supervisor) {
        // ractor kills whatever a supervisor leaves behind
        return Err(Status::failed_precondition("a supervisor is not stopped apart from its children"));
    } else {
        cell.stop(Some(REASON.to_owned()));
    }
    warn!(path, mode = mode.as_str_name(), "actor ended by an operator");
    Ok(true)
}
