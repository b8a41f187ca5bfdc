//! Clients that write all the time and remember what they were promised.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use super::client::{Client, Written, text, write};

/// Enough to have a write under way whenever something breaks.
const WRITERS: usize = 4;
/// Between two writes of a writer: the load of a busy customer, and a run that can be checked in the end.
const PAUSE: Duration = Duration::from_millis(80);
/// Every so many writes one is a flow, of which customers are told by webhook; tags stay inside.
const FLOWS: usize = 4;

/// What was promised.
#[derive(Clone, Default)]
pub(super) struct Promised {
    pub(super) tags: Vec<String>,
    pub(super) flows: Vec<String>,
    /// Writes of which the platform said that nobody knows.
    pub(super) unknown: usize,
    /// Writes that were refused or never answered: none should be.
    pub(super) failed: Vec<String>,
}

pub(super) struct Writers {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    promised: Arc<Mutex<Promised>>,
}

impl Writers {
    pub(super) fn begin(nodes: &[Client]) -> Writers {
        let (mut tasks, stop, promised) = (JoinSet::new(), CancellationToken::new(), Arc::default());
        for first in 0..WRITERS {
            let (nodes, stop, promised) = (nodes.to_vec(), stop.clone(), Arc::clone(&promised));
            tasks.spawn(async move {
                for number in 0.. {
                    if stop.is_cancelled() {
                        return;
                    }
                    one(&nodes, first, number, &promised).await;
                    sleep(PAUSE).await;
                }
            });
        }
        Writers { tasks, stop, promised }
    }

    /// How many writes were acknowledged so far.
    pub(super) fn count(&self) -> usize {
        let promised = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
        promised.tags.len() + promised.flows.len()
    }

    /// Lets what is under way be answered.
    pub(super) async fn end(mut self) -> Promised {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.promised.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn one(nodes: &[Client], first: usize, number: usize, promised: &Mutex<Promised>) {
    let is_flow = number % FLOWS == FLOWS - 1;
    let (path, body) = match is_flow {
        true => ("activeflows", json!({"actions": []})),
        false => ("tags", json!({"name": format!("{first} {number}")})),
    };
    let written = write(nodes, first, (path, &body)).await;
    let mut promised = promised.lock().unwrap_or_else(PoisonError::into_inner);
    match written {
        Ok(Written::Row(row)) if is_flow => promised.flows.push(text(&row, "id").to_owned()),
        Ok(Written::Row(row)) => promised.tags.push(text(&row, "id").to_owned()),
        Ok(Written::Unknown) => promised.unknown += 1,
        Err(error) => promised.failed.push(error.to_string()),
    }
}
