//! Feeds the engine's reports to the calls they are about.

use std::sync::Arc;

use protocol::ports::voice::LegEvent;
use protocol::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::calls::Calls;
use super::session::Msg;

pub(super) async fn route(calls: Arc<Calls>, token: CancellationToken) -> Result<()> {
    let mut reports = calls.reports.lock().await;
    if reports.is_none() {
        *reports = calls.deps.voice.reports();
    }
    let Some(reports) = reports.as_mut() else {
        return Err(Error::internal("the engine's reports are taken already"));
    };
    loop {
        let report = tokio::select! {
            () = token.cancelled() => return Ok(()),
            report = reports.recv() => report.ok_or_else(|| Error::internal("the engine ended"))?,
        };
        // only an end must never be lost; a call that cannot keep up misses a digit, not its hangup
        let vital = matches!(report.event, LegEvent::Ended { .. } | LegEvent::Answered);
        let message = Msg::Leg(report.event);
        let told =
            if vital { calls.live.insist(report.leg, message) } else { calls.live.tell(report.leg, message) };
        if let Err(error) = told {
            tracing::debug!(call = %report.leg, %error, "report for a call that is gone");
        }
    }
}
