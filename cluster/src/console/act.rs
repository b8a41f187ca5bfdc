//! What the page does: act on an actor, put faults before it, publish dead events again, change a log, stop a node.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use protocol::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::{answer, body};
use super::{Parts, session};
use crate::admin::{self, Acted, Desk, Fault, Hindrance, Question};

#[derive(Deserialize)]
struct Act {
    node: String,
    path: String,
    act: admin::Act,
    /// Only says what it would do.
    rehearse: bool,
}

#[derive(Deserialize)]
struct Hinder {
    node: String,
    path: String,
    fault: Fault,
    seconds: u64,
}

/// Where a fault stands.
#[derive(Deserialize)]
struct Place {
    node: String,
    path: String,
}

#[derive(Deserialize)]
struct Replay {
    #[serde(default)]
    id: String,
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct Log {
    node: String,
    directives: String,
}

#[derive(Deserialize)]
struct Drain {
    node: String,
}

pub(super) async fn act(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let act = async |desk: &Desk, Act { node, path, act, rehearse }: Act| {
        desk.nodes.ask::<Acted>(&node, &Question::Act { path, act, rehearse }).await
    };
    change(&parts, request, act).await
}

pub(super) async fn hinder(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let hinder = async |desk: &Desk, Hinder { node, path, fault, seconds }: Hinder| {
        desk.nodes.ask::<Hindrance>(&node, &Question::Hinder { path, fault, seconds }).await
    };
    change(&parts, request, hinder).await
}

pub(super) async fn hindered(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let hindered = async |desk: &Desk, Place { node, path }: Place| {
        desk.nodes.ask::<Hindrance>(&node, &Question::Hindered { path }).await
    };
    change(&parts, request, hindered).await
}

pub(super) async fn lift(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let lift = async |desk: &Desk, Place { node, path }: Place| {
        desk.nodes.ask::<Hindrance>(&node, &Question::Lift { path }).await
    };
    change(&parts, request, lift).await
}

pub(super) async fn replay(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    change(&parts, request, async |desk: &Desk, Replay { id, all }| desk.replay(&id, all).await).await
}

pub(super) async fn log(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let log = async |desk: &Desk, Log { node, directives }| {
        desk.log(&node, Some(directives)).await.map(|directives| json!({"directives": directives}))
    };
    change(&parts, request, log).await
}

pub(super) async fn drain(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let drain =
        async |desk: &Desk, Drain { node }: Drain| desk.drain(&node).await.map(|()| json!({"node": node}));
    change(&parts, request, drain).await
}

async fn change<T: DeserializeOwned, R: Serialize>(
    parts: &Parts,
    request: Request,
    work: impl AsyncFn(&Desk, T) -> Result<R>,
) -> Response {
    if let Err(refusal) = session::change(&parts.gate, &request) {
        return *refusal;
    }
    match body(request).await {
        Ok(asked) => answer(work(&parts.desk, asked).await),
        Err(error) => answer(Err::<(), _>(error)),
    }
}
