//! What an operator may ask a node over gRPC: what is running, to end an actor as a bug would, which calls live.

use proto::admin::v1::{
    ActorKind, ActorState, ListCallsRequest, ReadTreeRequest, StopActorRequest, StopMode, TreeNode,
};
use protocol::Result;
use rand::seq::IndexedRandom as _;

use super::program::Program;
use crate::admin;
use crate::cli::client::{Client, Operator, connect, refused};

/// What may be crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    /// A call, a flow, a bridge.
    Living,
    /// What answers the requests of a domain.
    Pool,
    /// A loop of a domain.
    Task,
}

async fn ask(program: &Program) -> Result<Client> {
    let token = Some(admin::made_token(&program.folder)?);
    connect(&Operator { url: format!("http://{}", program.grpc), token, ca: None, identity: None }).await
}

/// Ends an actor of this kind, whichever; its path. `None`: there was none.
pub(super) async fn crash(
    program: &Program,
    victim: Victim,
    random: &mut impl rand::Rng,
) -> Result<Option<String>> {
    let mut client = ask(program).await?;
    let tree = client.read_tree(ReadTreeRequest::default()).await.map_err(refused)?.into_inner().root;
    let mut found = Vec::new();
    for domain in tree.unwrap_or_default().children {
        // what serves the whole node shares one budget, which a run as dense as this would use up
        if domain.kind() == ActorKind::Supervisor {
            victims(&domain, String::new(), victim, &mut found);
        }
    }
    let Some(path) = found.choose(random).cloned() else { return Ok(None) };
    let stop =
        StopActorRequest { path: path.clone(), mode: StopMode::Crash.into(), ..StopActorRequest::default() };
    let answer = client.stop_actor(stop).await.map_err(refused)?.into_inner();
    Ok(answer.found.then_some(path))
}

fn victims(node: &TreeNode, above: String, victim: Victim, found: &mut Vec<String>) {
    let path = if above.is_empty() { node.name.clone() } else { format!("{above}/{}", node.name) };
    let wanted = match victim {
        Victim::Living => ActorKind::Actor,
        Victim::Pool => ActorKind::Pool,
        Victim::Task => ActorKind::Task,
    };
    if node.kind() == wanted && node.state() == ActorState::Running {
        found.push(path.clone());
    }
    for child in &node.children {
        victims(child, path.clone(), victim, found);
    }
}

/// How many calls are alive on the whole installation, 100 at most.
pub(super) async fn live_calls(program: &Program) -> Result<usize> {
    let asked = ask(program).await?.list_calls(ListCallsRequest::default()).await;
    Ok(asked.map_err(refused)?.into_inner().calls.len())
}
