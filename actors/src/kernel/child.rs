//! One entry of a supervisor's list: how it starts, when it is started again, how it is stopped.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use ractor::{ActorCell, ActorRef, SpawnErr};
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;

use super::supervisor::Msg;
use super::tree::Branch;

/// When a child that ended is started again. OTP's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// Only if it failed: panicked, returned an error, or was killed.
    Transient,
    /// Never.
    Temporary,
}

/// How a child is asked to stop. It is killed when it has not stopped within its `shutdown` time.
#[derive(Clone)]
pub enum Halt {
    /// After the message at hand; queued ones are dropped.
    Stop,
    /// In words of its own: a pool finishes what it accepted.
    Ask(Arc<dyn Fn() + Send + Sync>),
    /// A task: it sees its token cancelled.
    Cancel(CancellationToken),
    /// A supervisor: it stops its own children first, in reverse order.
    Supervisor(ActorRef<Msg>),
}

/// A child that runs.
pub struct Started {
    pub cell: ActorCell,
    pub halt: Halt,
}

pub(super) type Start =
    Arc<dyn Fn(ActorCell, Arc<Branch>) -> BoxFuture<'static, Result<Started, SpawnErr>> + Send + Sync>;

/// Long enough for one request or one commit to end.
const SHUTDOWN: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Child {
    pub id: Arc<str>,
    pub kind: super::tree::Kind,
    pub restart: Restart,
    pub shutdown: Duration,
    /// A child past its own budget is down and tried again later instead of costing its supervisor a
    /// restart: one broken domain must not end the others.
    pub isolated: bool,
    pub(super) start: Start,
}

impl Child {
    pub fn new<F>(
        id: impl Into<Arc<str>>,
        kind: super::tree::Kind,
        start: impl Fn(ActorCell, Arc<Branch>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Started, SpawnErr>> + Send + 'static,
    {
        Child {
            id: id.into(),
            kind,
            restart: Restart::Permanent,
            shutdown: SHUTDOWN,
            isolated: false,
            start: Arc::new(move |parent, branch| Box::pin(start(parent, branch))),
        }
    }

    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    pub fn shutdown(mut self, limit: Duration) -> Self {
        self.shutdown = limit;
        self
    }

    pub fn isolated(mut self) -> Self {
        self.isolated = true;
        self
    }
}

impl Started {
    /// Asks the child to stop, waits at most `limit`, then kills it. Returns when it is gone.
    pub(super) async fn stop(&self, limit: Duration) {
        match &self.halt {
            Halt::Stop => self.cell.stop(None),
            Halt::Ask(ask) => ask(),
            Halt::Cancel(token) => token.cancel(),
            Halt::Supervisor(supervisor) => drop(supervisor.cast(Msg::Shutdown)),
        }
        if self.cell.wait(Some(limit)).await.is_err() {
            self.cell.kill();
            // a killed actor ends at its next await; one that never awaits must not hold up the others
            let _ = self.cell.wait(Some(Duration::from_secs(1))).await;
        }
    }
}
