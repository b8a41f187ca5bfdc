//! `branchline restart`, `kill`, `drain` and `log`: acting on an actor or a node, and what that did.

use proto::admin::v1::{
    Act, ActOnActorRequest, ActOnActorResponse, ChangeLogRequest, DrainNodeRequest, ReadLogRequest,
};
use protocol::{Error, Result};
use serde_json::json;

use super::client::{Operator, connect, refused};
use super::table::{plain, print};
use crate::config::{Actor, Place};

/// Restarts or kills the actor, and prints what that did to users.
///
/// # Errors
/// The node cannot be reached or refuses, or no actor runs there.
pub async fn act(operator: &Operator, act: Act, actor: Actor) -> Result<()> {
    let Actor { place: Place { path, on, json }, rehearse } = actor;
    let node = on.unwrap_or_default();
    let asked = ActOnActorRequest { path: path.clone(), act: act.into(), node, rehearse };
    let mut client = connect(operator).await?;
    let done = client.act_on_actor(asked).await.map_err(refused)?.into_inner();
    if !done.found {
        let message = format!("no actor runs at {path}; branchline tree shows the paths");
        return Err(Error { message, ..Error::not_found() });
    }
    let text = if json { format!("{}\n", machine(&done)) } else { said(&path, (act, rehearse), &done) };
    print(&text).map(drop)
}

fn said(path: &str, (act, rehearse): (Act, bool), done: &ActOnActorResponse) -> String {
    let what = match (rehearse, act) {
        (true, _) => "would be ended",
        (false, Act::Kill) => "killed",
        (false, Act::Restart | Act::Unspecified) => "restarted",
    };
    format!("{}\n", plain(&format!("{path} {what}: {}", done.effect)))
}

fn machine(done: &ActOnActorResponse) -> serde_json::Value {
    json!({
        "rebuilt": done.rebuilt,
        "messages_lost": done.messages_lost,
        "requests_failed": done.requests_failed,
        "requests_finishing": done.requests_finishing,
        "events_late": done.events_late,
        "effect": done.effect,
    })
}

/// Begins the planned stop of a node.
///
/// # Errors
/// The asked node cannot be reached or refuses, or the other one does not answer.
pub async fn drain(operator: &Operator, node: &str) -> Result<()> {
    let asked = DrainNodeRequest { node: node.to_owned() };
    connect(operator).await?.drain_node(asked).await.map_err(refused)?;
    print(&format!("{} has begun to stop\n", plain(node))).map(drop)
}

/// Prints what a node logs, after it was changed if there are `directives`.
///
/// # Errors
/// The asked node cannot be reached or refuses, or the other one does not answer.
pub async fn log(operator: &Operator, node: Option<String>, directives: Option<String>) -> Result<()> {
    let mut client = connect(operator).await?;
    let node = node.unwrap_or_default();
    let directives = match directives {
        Some(directives) => {
            let asked = ChangeLogRequest { node, directives };
            client.change_log(asked).await.map_err(refused)?.into_inner().directives
        }
        None => client.read_log(ReadLogRequest { node }).await.map_err(refused)?.into_inner().directives,
    };
    print(&format!("{}\n", plain(&directives))).map(drop)
}
