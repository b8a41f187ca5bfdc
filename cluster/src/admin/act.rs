//! Acting on one actor on an operator's word. What follows is its supervisor's business.

use actors::kernel::Kind;
use proto::admin::v1::{self as message, ActOnActorRequest, StopActorRequest, StopMode};
use tonic::Status;

use super::here::Acted;
use super::nodes::Nodes;
use super::place::{Place, kind};
use super::question::{Act, Question};
use super::refusal::refusal;

/// Restarts or kills.
pub(super) async fn act(nodes: &Nodes, asked: ActOnActorRequest) -> Result<Acted, Status> {
    let act = match asked.act() {
        message::Act::Restart => Act::Restart,
        message::Act::Kill => Act::Kill,
        message::Act::Unspecified => {
            return Err(Status::invalid_argument("act must be ACT_RESTART or ACT_KILL"));
        }
    };
    let question = Question::Act { path: asked.path, act, rehearse: asked.rehearse };
    nodes.ask(&asked.node, &question).await.map_err(refusal)
}

/// Ends the actor. False: none runs there.
pub(super) async fn stop(nodes: &Nodes, asked: StopActorRequest) -> Result<bool, Status> {
    let act = match asked.mode() {
        StopMode::Stop => Act::Restart,
        StopMode::Crash => Act::Kill,
        StopMode::Unspecified => {
            return Err(Status::invalid_argument("mode must be STOP_MODE_STOP or STOP_MODE_CRASH"));
        }
    };
    if act == Act::Restart {
        let question = Question::Tree { path: asked.path.clone(), depth: 1 };
        let place = nodes.ask::<Place>(&asked.node, &question).await;
        if place.is_ok_and(|place| place.kind == kind(Kind::Supervisor)) {
            return Err(Status::failed_precondition("a supervisor is not stopped apart from its children"));
        }
    }
    let question = Question::Act { path: asked.path, act, rehearse: false };
    nodes.ask::<Acted>(&asked.node, &question).await.map(|acted| acted.found).map_err(refusal)
}
