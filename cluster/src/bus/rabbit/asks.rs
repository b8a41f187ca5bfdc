//! Requests of this node to others.

use std::sync::Arc;

use lapin::types::ShortString;
use protocol::{Error, Result, sock};
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant, sleep, timeout_at};
use uuid::Uuid;

use super::super::answer::patience;
use super::attendance::Attendance;
use super::names::short;
use super::post::{Letter, Post};
use super::waiting::{Reply, Seat, Waiting};
use super::wire;

/// How often it is looked whether anybody still consumes the queue that a request waits in.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Asks {
    pub(super) post: Post,
    pub(super) waiting: Arc<Waiting>,
    pub(super) attendance: Attendance,
}

impl Asks {
    pub(super) async fn ask(&self, queue: &str, request: &sock::Request) -> Result<sock::Response> {
        let pass = self.waiting.breakers.enter(queue)?;
        let until = Instant::now() + patience(request.timeout_ms);
        let asked = timeout_at(until, self.exchange(queue, request, until)).await;
        let outcome = asked.unwrap_or_else(|_| Err(Error::timeout()));
        pass.tell(&outcome);
        outcome
    }

    async fn exchange(&self, queue: &str, request: &sock::Request, until: Instant) -> Result<sock::Response> {
        let key = short(queue)?;
        if !self.attendance.is_attended(queue).await? {
            return Err(nobody(queue));
        }
        let id = Uuid::now_v7().simple().to_string();
        let mut seat = self.waiting.enter(&id);
        let (fate, sent) = oneshot::channel();
        let left = until.saturating_duration_since(Instant::now());
        self.post.send(Letter {
            exchange: ShortString::default(),
            key,
            mandatory: true,
            body: serde_json::to_vec(request).map_err(Error::internal)?,
            properties: wire::of_request(request, &id, left),
            fate,
        })?;
        let body = tokio::select! {
            body = reply(&mut seat, queue) => body?,
            error = refused(sent) => return Err(error),
            error = self.deserted(queue) => return Err(error),
        };
        serde_json::from_slice(&body).map_err(Error::internal)
    }

    async fn deserted(&self, queue: &str) -> Error {
        loop {
            sleep(LOOK).await;
            match self.attendance.is_attended(queue).await {
                Ok(true) => {}
                Ok(false) => return Error::lost("the node that had the request went away"),
                Err(error) => return error,
            }
        }
    }
}

async fn reply(seat: &mut Seat, queue: &str) -> Result<Vec<u8>> {
    match (&mut seat.reply).await {
        Ok(Reply::Body(body)) => Ok(body),
        Ok(Reply::Returned) => Err(nobody(queue)),
        Err(_) => Err(Error::lost("the broker was lost before the reply came")),
    }
}

/// Pending when the broker has the request.
async fn refused(sent: oneshot::Receiver<bool>) -> Error {
    match sent.await {
        Ok(true) => std::future::pending().await,
        Ok(false) => Error::lost("the broker refused the request"),
        Err(_) => Error::lost("the broker was lost before the reply came"),
    }
}

fn nobody(queue: &str) -> Error {
    Error::unbegun(format!("nobody serves {queue}"))
}
