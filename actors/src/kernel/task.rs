//! A loop under supervision. It ends only by failing or by being told to.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use protocol::Result;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::{AbortHandle, JoinError};
use tokio_util::sync::CancellationToken;

use super::child::{Child, Halt, Started};
use super::tree::Kind;

impl Child {
    /// Runs `work` until the token is cancelled. Ending before that, with or without an error, is a failure.
    pub fn task<F>(id: &'static str, work: impl Fn(CancellationToken) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let work: Work = Arc::new(move |token| Box::pin(work(token)));
        Child::new(id, Kind::Task, move |parent, _| {
            let (work, token) = (work.clone(), CancellationToken::new());
            async move {
                let args = (work, token.clone());
                let (task, _) = Actor::spawn_linked(None, Task, args, parent).await?;
                Ok(Started { cell: task.get_cell(), halt: Halt::Cancel(token) })
            }
        })
    }
}

type Work = Arc<dyn Fn(CancellationToken) -> BoxFuture<'static, Result<()>> + Send + Sync>;

struct Task;

struct Ended(Result<Result<()>, JoinError>);

/// Dropped with the actor, however it ends: the loop never outlives it.
struct Leash(AbortHandle, CancellationToken);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Actor for Task {
    type Msg = Ended;
    type State = Leash;
    type Arguments = (Work, CancellationToken);

    #[expect(clippy::disallowed_methods, reason = "this is the one place that ties a task to an actor")]
    async fn pre_start(
        &self,
        myself: ActorRef<Ended>,
        (work, token): Self::Arguments,
    ) -> Result<Leash, ActorProcessingErr> {
        let running = tokio::spawn(work(token.clone()));
        let leash = Leash(running.abort_handle(), token);
        tokio::spawn(async move {
            let _ = myself.cast(Ended(running.await));
        });
        Ok(leash)
    }

    async fn handle(
        &self,
        myself: ActorRef<Ended>,
        Ended(outcome): Ended,
        leash: &mut Leash,
    ) -> Result<(), ActorProcessingErr> {
        if leash.1.is_cancelled() {
            myself.stop(None);
            return Ok(());
        }
        match outcome {
            Ok(Ok(())) => Err("the loop ended".into()),
            Ok(Err(error)) => Err(error.into()),
            Err(panic) => Err(panic.into()),
        }
    }
}
