//! Delaying or dropping the messages of an actor for a while, and what that did to users.
//!
//! The fault is the actor's node's: whoever watches it only asks how far it is, and may leave.

use actors::kernel::{self, Branch, Order, Report};
use futures_util::stream::{Stream, unfold};
use proto::admin::v1::{self as m, FaultReport, HinderActorRequest, HinderActorResponse, LiftFaultRequest};
use protocol::{Result, time};
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, sleep};
use tonic::Status;
use tracing::warn;
use uuid::Uuid;

use super::here::sentence;
use super::nodes::Nodes;
use super::question::{Fault, Question};
use super::refusal::refusal;

/// How often somebody who watches hears how far it is.
const EVERY: Duration = Duration::from_secs(1);
/// What a drop has when it is bounded only in its number, or only in its time.
const SECONDS: u32 = 60;
const COUNT: u32 = 1000;

/// A fault as it crosses between nodes, and to the page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hindrance {
    pub(crate) id: Uuid,
    pub(crate) fault: Fault,
    /// When it ends at the latest.
    pub(crate) until: String,
    pub(crate) has_ended: bool,
    pub(crate) delayed: u64,
    pub(crate) dropped: u64,
    pub(crate) requests_failed: u64,
    pub(crate) events_late: u64,
    pub(crate) messages_lost: u64,
    /// The same for a person.
    pub(crate) effect: String,
}

/// Puts a fault before the mailbox at a path of this node's tree.
pub(super) fn put(tree: &Branch, path: &str, (fault, seconds): (Fault, u64)) -> Result<Hindrance> {
    let fault = match fault {
        Fault::Delay { ms } => kernel::Fault::Delay(Duration::from_millis(ms)),
        Fault::Drop { count } => kernel::Fault::Drop(count),
    };
    let order = Order { fault, lasts: Duration::from_secs(seconds) };
    let report = tree.hinder(path.trim_matches('/'), order)?;
    warn!(path, ?fault, seconds, "messages hindered by an operator");
    Ok(of(&report))
}

pub(super) fn told(tree: &Branch, path: &str) -> Result<Hindrance> {
    tree.hindered(path.trim_matches('/')).map(|report| of(&report))
}

pub(super) fn lift(tree: &Branch, path: &str) -> Result<Hindrance> {
    let done = of(&tree.lift(path.trim_matches('/'))?);
    warn!(path, effect = done.effect, "fault lifted by an operator");
    Ok(done)
}

/// A fault that stands, in a few words.
pub(super) fn standing(report: &Report) -> String {
    let what = match report.fault {
        kernel::Fault::Delay(by) => format!("delayed by {} ms", by.as_millis()),
        kernel::Fault::Drop(most) => format!("dropped ({} of {most})", report.dropped),
    };
    let only = report.only.map(|id| format!(" of {id}")).unwrap_or_default();
    format!("messages{only} {what} for {} s more", report.left.as_secs() + 1)
}

fn of(report: &Report) -> Hindrance {
    let fault = match report.fault {
        kernel::Fault::Delay(by) => Fault::Delay { ms: u64::try_from(by.as_millis()).unwrap_or(u64::MAX) },
        kernel::Fault::Drop(count) => Fault::Drop { count },
    };
    let parts = [
        (report.delayed, "message", "messages", "taken late"),
        (report.dropped, "message", "messages", "dropped"),
        (report.requests_failed, "request", "requests", "failed"),
        (report.events_late, "event", "events", "late"),
        (report.messages_lost, "word that nobody waits for", "words that nobody waits for", "lost"),
    ];
    Hindrance {
        id: report.id,
        fault,
        until: time::stamp(chrono::Utc::now() + report.left),
        has_ended: report.has_ended,
        delayed: report.delayed as u64,
        dropped: report.dropped as u64,
        requests_failed: report.requests_failed as u64,
        events_late: report.events_late as u64,
        messages_lost: report.messages_lost as u64,
        effect: sentence(&parts, "no user noticed: no message came"),
    }
}

/// Has a node do it. The stream begins with what was accepted and ends with what it did.
pub(super) async fn hinder(
    nodes: Nodes,
    asked: HinderActorRequest,
) -> Result<impl Stream<Item = Result<HinderActorResponse, Status>> + Send, Status> {
    let (fault, seconds) = wanted(&asked)?;
    let (node, path) = (asked.node, asked.path);
    let question = Question::Hinder { path: path.clone(), fault, seconds: seconds.into() };
    let begun: Hindrance = nodes.ask(&node, &question).await.map_err(refusal)?;
    let watch = Watch { nodes, node, path, id: begun.id };
    Ok(unfold((watch, Some(begun), false), async |(watch, begun, is_over)| {
        let report = match begun {
            _ if is_over => return None,
            Some(begun) => Ok(begun),
            None => watch.next().await,
        };
        let is_over = report.as_ref().map_or(true, |report| report.has_ended);
        let report = report.map(|report| HinderActorResponse { report: Some(report.into()) });
        Some((report, (watch, None, is_over)))
    }))
}

/// # Errors
/// What was asked for has no sense; its bounds are the actor's business.
fn wanted(asked: &HinderActorRequest) -> Result<(Fault, u32), Status> {
    match (asked.fault(), asked.count, asked.seconds) {
        (m::Fault::Delay, 0, seconds) => Ok((Fault::Delay { ms: asked.delay_ms.into() }, seconds)),
        (m::Fault::Delay, ..) => Err(Status::invalid_argument("count is of a drop: a delay has seconds")),
        (m::Fault::Drop, ..) if asked.delay_ms > 0 => Err(Status::invalid_argument("delay_ms is of a delay")),
        (m::Fault::Drop, 0, 0) => Err(Status::invalid_argument("count or seconds must bound the drop")),
        (m::Fault::Drop, count, seconds) => {
            let count = if count == 0 { COUNT } else { count };
            Ok((Fault::Drop { count: count as usize }, if seconds == 0 { SECONDS } else { seconds }))
        }
        (m::Fault::Unspecified, ..) => {
            Err(Status::invalid_argument("fault must be FAULT_DELAY or FAULT_DROP"))
        }
    }
}

/// Ends a fault.
pub(super) async fn lifted(nodes: &Nodes, asked: LiftFaultRequest) -> Result<FaultReport, Status> {
    let lifted = nodes.ask::<Hindrance>(&asked.node, &Question::Lift { path: asked.path }).await;
    lifted.map(Into::into).map_err(refusal)
}

struct Watch {
    nodes: Nodes,
    node: String,
    path: String,
    id: Uuid,
}

impl Watch {
    async fn next(&self) -> Result<Hindrance, Status> {
        sleep(EVERY).await;
        let question = Question::Hindered { path: self.path.clone() };
        let report: Hindrance = self.nodes.ask(&self.node, &question).await.map_err(refusal)?;
        match report.id == self.id {
            true => Ok(report),
            false => Err(Status::aborted("it has ended, and another fault was put there since")),
        }
    }
}

impl From<Hindrance> for FaultReport {
    fn from(of: Hindrance) -> Self {
        let fault = match of.fault {
            Fault::Delay { .. } => m::Fault::Delay,
            Fault::Drop { .. } => m::Fault::Drop,
        };
        FaultReport {
            id: of.id.to_string(),
            fault: fault.into(),
            until: of.until,
            has_ended: of.has_ended,
            delayed: of.delayed,
            dropped: of.dropped,
            requests_failed: of.requests_failed,
            events_late: of.events_late,
            messages_lost: of.messages_lost,
            effect: of.effect,
        }
    }
}
