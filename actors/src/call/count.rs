//! A call in the figures of its node, and in its log lines. Dropping it takes it out of what lives.

use metrics::{Gauge, counter, gauge, histogram};
use tokio::time::Instant;
use tracing::{Span, info, info_span};

use super::session::Facts;
use super::status::{Reason, Status, Way};

pub(super) struct Counted {
    pub(super) span: Span,
    way: &'static str,
    status: Status,
    live: Gauge,
    /// When it was placed, until its peer was first heard of. A call that came back has none.
    placed: Option<Instant>,
    answered: Option<Instant>,
}

impl Counted {
    pub(super) fn new(facts: &Facts) -> Self {
        let way = match facts.direction {
            Way::Incoming => "incoming",
            Way::Outgoing => "outgoing",
        };
        let span = info_span!("call", call = %facts.id, customer = %facts.customer_id);
        let live = live(facts.status, way);
        live.increment(1);
        let answered = (facts.status == Status::Progressing).then(Instant::now);
        Counted { span, way, status: facts.status, live, placed: None, answered }
    }

    /// It is new, not one that came back.
    pub(super) fn begun(&mut self) {
        counter!("calls_attempted_total", "direction" => self.way).increment(1);
        self.placed = Some(Instant::now());
    }

    /// The row says so now.
    pub(super) fn note(&mut self, status: Status) {
        if status == self.status {
            return;
        }
        self.status = status;
        self.live.decrement(1);
        self.live = live(status, self.way);
        self.live.increment(1);
        if matches!(status, Status::Ringing | Status::Progressing)
            && let Some(placed) = self.placed.take()
            && self.way == "outgoing"
        {
            histogram!("call_post_dial_seconds").record(placed.elapsed());
        }
        if status == Status::Progressing {
            self.answered = Some(Instant::now());
            counter!("calls_answered_total", "direction" => self.way).increment(1);
        }
    }

    pub(super) fn ended(&mut self, why: Reason) {
        counter!("calls_ended_total", "direction" => self.way, "reason" => why.name()).increment(1);
        let lasted = self.answered.take().map(|answered| answered.elapsed());
        if let Some(lasted) = lasted {
            histogram!("call_duration_seconds").record(lasted);
        }
        let duration_ms = lasted.unwrap_or_default().as_secs_f64() * 1e3;
        self.span.in_scope(|| info!(direction = self.way, reason = why.name(), duration_ms, "call ended"));
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.decrement(1);
    }
}

fn live(status: Status, way: &'static str) -> Gauge {
    gauge!("calls_live", "direction" => way, "status" => status.name())
}
