//! Requests of this node to others.

use std::sync::Arc;

use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use protocol::{Error, Result, sock};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::super::answer::patience;
use super::attendance::Attendance;
use super::line::Line;
use super::names::short;
use super::waiting::{Reply, Seat, Waiting};
use super::wire;

pub(super) struct Asks {
    pub(super) line: Line,
    pub(super) waiting: Arc<Waiting>,
    pub(super) attendance: Arc<Attendance>,
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
        // before the channel is looked at: whoever sits when it is lost is told
        let mut seat = self.waiting.enter(&id, queue);
        let channel = self.line.now()?;
        let body = serde_json::to_vec(request).map_err(Error::internal)?;
        let properties = wire::of_request(&id, until.saturating_duration_since(Instant::now()));
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let send = async {
            let sent = channel.basic_publish(ShortString::default(), key, options, &body, properties).await;
            sent.map_err(|_| lost())?;
            std::future::pending().await
        };
        let body = tokio::select! {
            biased;
            body = reply(&mut seat, queue) => body?,
            failed = send => return failed,
        };
        serde_json::from_slice(&body).map_err(Error::internal)
    }
}

async fn reply(seat: &mut Seat, queue: &str) -> Result<Vec<u8>> {
    match (&mut seat.reply).await {
        Ok(Reply::Body(body)) => Ok(body),
        Ok(Reply::Returned) => Err(nobody(queue)),
        Ok(Reply::Deserted) => Err(Error::lost("the node that had the request went away")),
        Err(_) => Err(lost()),
    }
}

fn lost() -> Error {
    Error::lost("the broker was lost before the reply came")
}

fn nobody(queue: &str) -> Error {
    Error::unbegun(format!("nobody serves {queue}"))
}
