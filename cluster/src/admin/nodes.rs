//! The nodes of the installation, asked by the one that an operator talks to.

use std::sync::Arc;

use futures_util::future::join_all;
use protocol::ports::{Bus, Store};
use protocol::{Error, Result, sock};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Duration, timeout};

use super::here::Here;
use super::question::Question;

/// An operator looks at the others meanwhile: a node that takes longer is shown as one without an answer.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(crate) struct Nodes {
    pub(crate) here: Arc<Here>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
}

impl Nodes {
    /// Asks one node; an empty name is this one's.
    ///
    /// # Errors
    /// There is no such node, it does not answer in time, or it refuses.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, node: &str, question: &Question) -> Result<T> {
        let is_here = node.is_empty() || node == self.here.node;
        let known = if is_here { Vec::new() } else { self.names().await? };
        if !is_here && !known.iter().any(|known| known == node) {
            let message = format!("there is no node {node}; those that live are {}", known.join(", "));
            return Err(Error { message, ..Error::not_found() });
        }
        let node = if is_here { &self.here.node } else { node };
        serde_json::from_value(self.question(node, question).await?).map_err(Error::internal)
    }

    /// Asks every node that lives, side by side; by name. Without the store, which knows them, only this one.
    pub(crate) async fn ask_all<T: DeserializeOwned>(&self, question: &Question) -> Vec<(String, Result<T>)> {
        let names = self.names().await.unwrap_or_else(|_| vec![self.here.node.clone()]);
        let asked = names.into_iter().map(async |name| {
            let answer = self.question(&name, question).await;
            let answer = answer.and_then(|answer| serde_json::from_value(answer).map_err(Error::internal));
            (name, answer)
        });
        join_all(asked).await
    }

    /// Those that said lately that they live, and this one.
    async fn names(&self) -> Result<Vec<String>> {
        let peers = timeout(PATIENCE, self.store.nodes()).await.unwrap_or_else(|_| Err(Error::timeout()))?;
        let alive = peers.into_iter().filter(|peer| peer.alive).map(|peer| peer.node);
        let mut names: Vec<String> = alive.filter(|name| *name != self.here.node).collect();
        names.push(self.here.node.clone());
        names.sort();
        Ok(names)
    }

    async fn question(&self, node: &str, question: &Question) -> Result<Value> {
        if node == self.here.node {
            return self.here.answer(question.clone());
        }
        let (queue, request) = (sock::admin_queue(node), question.encode(&self.here.node, PATIENCE)?);
        match timeout(PATIENCE, self.bus.ask(&queue, request)).await {
            Ok(Ok(answer)) => answer.into(),
            Ok(Err(error)) => Err(silent(node, &error.message)),
            Err(_) => Err(silent(node, "it took too long")),
        }
    }
}

fn silent(node: &str, cause: &str) -> Error {
    Error::unavailable(format!("no answer from the node {node}: {cause}"))
}
