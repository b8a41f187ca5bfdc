//! Facts on their way to a domain: tried again a few times, then set aside where an operator sees them.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use protocol::ports::{Deps, Subscribe, Unit};
use protocol::{Access, Event, Field, Ops, Resource, Result, Row, Status};
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};
use tracing::field::display;
use tracing::{Instrument as _, Span, debug_span, info_span};

use super::{Mailbox, Rows};

/// An event that one follower could not take. It delays nobody and waits to be replayed.
pub static DEAD_EVENT: Resource = Resource::new(
    "dead_event",
    "dead_events",
    &[
        Field::text("follower").filter(),
        Field::text("type").filter(),
        Field::json("event"),
        Field::text("error"),
        Field::int("tries"),
    ],
)
.ops(Ops::READ)
.access(Access::PLATFORM)
.shared();

/// Pauses between the tries; one try more than there are pauses.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];
/// Whom the follower needs may be away: a domain is down for a minute at most, and a call that is taken over is
/// back sooner. So long the last pause repeats.
const OUTAGE: Duration = Duration::from_secs(120);
/// One try: as long as a request.
const TRY: Duration = Duration::from_secs(30);

/// A domain's side of its subscription.
pub struct Follow {
    pub mailbox: Mailbox,
    pub deps: Deps,
}

#[async_trait]
impl Subscribe for Follow {
    fn wants(&self, event: &Event) -> bool {
        event.resource != DEAD_EVENT.name && self.mailbox.domain().follows(event)
    }

    async fn deliver(&self, event: Arc<Event>) -> Result<()> {
        if !self.wants(&event) {
            return Ok(());
        }
        let followers = self.mailbox.domain().followers(&event);
        // side by side: one that fails for a while delays no other
        let persist = |follower| self.persist(follower, &event).instrument(self.span(follower, &event));
        let done = join_all(followers.into_iter().map(persist)).await;
        done.into_iter().collect()
    }
}

impl Follow {
    /// Lines of a follower name the request whose doing the event was. Most facts, those of calls, are no request's:
    /// their followers have a span at level debug, or for a collector, as a span costs as much as many a follower does.
    fn span(&self, follower: &'static str, event: &Event) -> Span {
        let (event_type, request_id) = (&*event.r#type, &*event.request_id);
        if request_id.is_empty() {
            return debug_span!(
                "follower",
                follower,
                event = event_type,
                customer = event.customer_id().map(display)
            );
        }
        let customer = event.customer_id().map(display);
        info_span!("follower", follower, event = event_type, request_id, customer)
    }

    async fn persist(&self, follower: &'static str, event: &Arc<Event>) -> Result<()> {
        let (begun, mut tries) = (Instant::now(), 0);
        loop {
            let outcome = self.mailbox.follow(follower, event.clone(), Instant::now() + TRY).await;
            let Err(error) = outcome else {
                self.mailbox.figures().taken(event);
                return Ok(());
            };
            // the domain has not begun: it is starting or full, which is no fault of the event
            if error.unbegun {
                return Err(error);
            }
            self.mailbox.figures().retried();
            let is_outage = error.status == Status::Unavailable && begun.elapsed() < OUTAGE;
            let last = PAUSES.last().filter(|_| is_outage);
            let pause = PAUSES.get(tries).or(last);
            tries += 1;
            match pause {
                Some(pause) => sleep(*pause).await,
                None => return self.set_aside(follower, event, (tries, &error)).await,
            }
        }
    }

    async fn set_aside(
        &self,
        follower: &str,
        event: &Event,
        (tries, error): (usize, &protocol::Error),
    ) -> Result<()> {
        let domain = self.mailbox.domain().name;
        tracing::error!(service = domain, follower, event = %event.r#type, id = %event.id, cause = ?error.cause, %error, "event set aside");
        let mut unit = Unit::default();
        let row = Row::from_iter([
            ("follower".to_owned(), json!(format!("{domain}/{follower}"))),
            ("type".to_owned(), json!(event.r#type)),
            ("event".to_owned(), json!(event)),
            ("error".to_owned(), json!(error.to_string())),
            ("tries".to_owned(), json!(tries)),
        ]);
        Rows { publisher: domain, resource: &DEAD_EVENT, deps: &self.deps }.record(&mut unit, row);
        self.deps.store.commit(unit).await?;
        self.mailbox.figures().set_aside();
        Ok(())
    }
}
