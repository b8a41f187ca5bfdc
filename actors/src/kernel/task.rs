//! A loop under supervision. It ends only by failing or by being told to.

use futures_util::future::BoxFuture;
use protocol::Result;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
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
        Child::new(id, Kind::Task, move |parent, _| {
            let token = CancellationToken::new();
            let begun = begin(parent, Box::pin(work(token.clone())), token.clone());
            async move { Ok(Started { cell: begun.await?, halt: Halt::Cancel(token) }) }
        })
    }
}

/// An actor that runs `work`. Its end is a failure, unless the token was cancelled before.
pub(super) async fn begin(
    parent: ActorCell,
    work: Work,
    token: CancellationToken,
) -> Result<ActorCell, SpawnErr> {
    let (task, _) = Actor::spawn_linked(None, Task, (work, token), parent).await?;
    Ok(task.get_cell())
}

type Work = BoxFuture<'static, Result<()>>;

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
        let running = tokio::spawn(work);
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
