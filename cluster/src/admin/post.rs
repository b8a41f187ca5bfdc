//! The queue of this node: what other nodes ask it on behalf of operators.
//!
//! It is served from before the domains start until after they have stopped, because it is how others see
//! whether this node lives.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use protocol::ports::{Bus, Serve};
use protocol::{Error, Result, sock};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};
use tracing::warn;

use super::here::{Here, pong};
use super::question::Question;

/// A start does not wait longer for the queue: that of a node that was killed is locked for a while.
const START_LIMIT: Duration = Duration::from_secs(2);
/// Before the next attempt to consume it.
const PAUSE: Duration = Duration::from_secs(2);

/// The open queue; it closes when this is dropped.
pub(crate) struct Post {
    desk: Arc<Desk>,
    _tasks: JoinSet<()>,
}

struct Desk {
    node: String,
    here: OnceLock<Arc<Here>>,
}

impl Post {
    /// Answers pings from now on.
    pub(crate) async fn open(bus: Arc<dyn Bus>, node: &str) -> Post {
        let desk = Arc::new(Desk { node: node.to_owned(), here: OnceLock::new() });
        let (up, mut is_up) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(attend(bus, desk.clone(), up));
        let _ = timeout(START_LIMIT, is_up.wait_for(|up| *up)).await;
        Post { desk, _tasks: tasks }
    }

    /// Answers everything from now on.
    pub(crate) fn answer(&self, here: Arc<Here>) {
        let _ = self.desk.here.set(here);
    }
}

async fn attend(bus: Arc<dyn Bus>, desk: Arc<Desk>, up: watch::Sender<bool>) {
    loop {
        match bus.serve(&sock::admin_queue(&desk.node), desk.clone()).await {
            Ok(consumer) => {
                up.send_replace(true);
                std::future::pending::<()>().await;
                drop(consumer);
            }
            Err(error) => warn!(%error, "other nodes cannot ask this one yet"),
        }
        sleep(PAUSE).await;
    }
}

#[async_trait]
impl Serve for Desk {
    async fn ready(&self) {}

    async fn serve(&self, request: sock::Request) -> sock::Response {
        self.answer(&request).into()
    }
}

impl Desk {
    fn answer(&self, request: &sock::Request) -> Result<Value> {
        match (Question::decode(request)?, self.here.get()) {
            (Question::Ping, _) => Ok(pong(&self.node)),
            (question, Some(here)) => here.answer(question),
            (_, None) => Err(Error::unbegun("the node is starting")),
        }
    }
}
