//! One attempt to deliver. The timer's verb only hands over; the attempt is made by the sender.

use std::sync::Arc;

use bytes::Bytes;
use protocol::ports::{Pending, Send, Unit, Write};
use protocol::{Command, Context, Error, Result, Row, Scope, Status, Verb, read, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Duration, Instant};
use tracing::{Instrument as _, info_span};
use uuid::Uuid;

use super::desk::Place;
use super::schedule::{Verdict, judge, pause};
use super::{DELIVERY, Webhooks, enqueue, sign, timer};

/// Svix': an endpoint that answers later has not answered.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Of an answer, in bytes. Its content is not looked at.
const ANSWER: usize = 256 << 10;
/// As often as this an outcome meets a row that was changed meanwhile.
const CONFLICTS: usize = 3;

#[derive(Serialize, Deserialize)]
pub(super) struct Attempt {}

impl Command for Attempt {
    const VERB: Verb = Verb::internal("attempt");
    type Reply = ();
}

#[derive(Deserialize)]
struct Delivery {
    id: Uuid,
    customer_id: Uuid,
    rev: i64,
    status: String,
    attempts: i64,
    url: String,
    method: String,
    content_type: String,
    signed: bool,
    body: String,
    tm_next: Option<String>,
}

impl Delivery {
    fn is_pending(&self) -> bool {
        self.status == "pending"
    }
}

pub(super) async fn attempt(state: Arc<Webhooks>, _: Context, id: Uuid, _: Attempt) -> Result<()> {
    // the timer of one that is gone or finished is left in place, and so cancelled by whoever sent it
    let Some(delivery) = load(&state, id).await? else { return Ok(()) };
    let now = state.deps.clock.now();
    let next = delivery.tm_next.as_deref().and_then(time::parse).filter(|next| *next > now);
    // an attempt that ended just now has set the time of the next one
    let moved = next.map_or_else(|| state.lease(id), |next| timer(id, next));
    state.deps.store.commit(Unit { timers: vec![moved], ..Unit::default() }).await?;
    if next.is_none() {
        state.desk.offer(delivery.customer_id, id);
    }
    Ok(())
}

/// An attempt whose outcome cannot be stored is made again when its timer is due.
pub(super) async fn make(state: Arc<Webhooks>, place: Place) {
    let span = info_span!("webhook", delivery = %place.delivery, customer = %place.customer);
    if let Err(error) = run(&state, place.delivery).instrument(span).await {
        tracing::warn!(delivery = %place.delivery, %error, "delivery attempt not finished");
    }
}

async fn run(state: &Webhooks, id: Uuid) -> Result<()> {
    let Some(delivery) = load(state, id).await? else { return Ok(()) };
    let since = Instant::now();
    let verdict = match secret(state, &delivery).await? {
        Some(secret) => judge(send(state, &delivery, &secret).await),
        None => Verdict::Never("the customer is gone".to_owned()),
    };
    let result = match verdict {
        Verdict::Delivered(_) => "delivered",
        Verdict::Again(..) => "again",
        Verdict::Never(_) => "never",
    };
    metrics::counter!("webhook_attempts_total", "result" => result).increment(1);
    let took = since.elapsed();
    metrics::histogram!("webhook_attempt_duration_seconds").record(took);
    tracing::debug!(result, duration_ms = took.as_secs_f64() * 1e3, "webhook attempted");
    record(state, delivery, &verdict).await
}

async fn load(state: &Webhooks, id: Uuid) -> Result<Option<Delivery>> {
    let row = state.deps.store.get(&DELIVERY, Scope::Platform, id).await?;
    let delivery = row.as_ref().map(read::<Delivery>).transpose()?;
    Ok(delivery.filter(Delivery::is_pending))
}

/// Read anew for each attempt, so that a new secret holds at once. `None`: nobody is left to sign for.
async fn secret(state: &Webhooks, delivery: &Delivery) -> Result<Option<String>> {
    if !delivery.signed {
        return Ok(Some(String::new()));
    }
    Ok(enqueue::profile(state, delivery.customer_id).await?.map(|profile| profile.webhook_secret))
}

async fn send(state: &Webhooks, delivery: &Delivery, secret: &str) -> Result<protocol::ports::Answer> {
    let method = http::Method::from_bytes(delivery.method.as_bytes());
    let request = Send {
        method: method.map_err(|_| Error::invalid("the method is not one of HTTP's"))?,
        url: delivery.url.clone(),
        headers: headers(delivery, secret, state.deps.clock.now().timestamp()),
        body: Bytes::from(delivery.body.clone()),
        timeout: TIMEOUT,
        most: ANSWER,
    };
    // the port keeps the limit; a fault in it must not occupy a place for ever
    match tokio::time::timeout(2 * TIMEOUT, state.deps.outward.send(request)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::timeout()),
    }
}

fn headers(delivery: &Delivery, secret: &str, now: i64) -> Vec<(String, String)> {
    let (id, body) = (delivery.id.to_string(), delivery.body.as_bytes());
    let mut headers = vec![
        ("content-type", delivery.content_type.clone()),
        ("webhook-id", id.clone()),
        ("webhook-timestamp", now.to_string()),
    ];
    if delivery.signed && !secret.is_empty() {
        headers.push(("x-voipbin-signature", sign::voipbin(secret, body)));
        headers.push(("webhook-signature", sign::standard(secret, &id, now, body)));
    }
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The outcome and what follows from it. Somebody may have asked for a retry meanwhile: then that counts.
async fn record(state: &Webhooks, mut delivery: Delivery, verdict: &Verdict) -> Result<()> {
    let id = delivery.id;
    for _ in 0..CONFLICTS {
        match state.deps.store.commit(outcome(&delivery, verdict, state.deps.clock.now())).await {
            Err(error) if error.is_conflict() => {}
            Err(error) if error.status == Status::NotFound => return Ok(()),
            stored => return stored,
        }
        match load(state, id).await? {
            Some(changed) => delivery = changed,
            None => return Ok(()),
        }
    }
    Err(Error::conflict())
}

fn outcome(delivery: &Delivery, verdict: &Verdict, now: time::Time) -> Unit {
    let attempts = delivery.attempts + 1;
    let next = pause(attempts, rand::random_range(-1.0..=1.0)).map(|pause| now + pause);
    let (status, answered, error, next) = match verdict {
        Verdict::Delivered(status) => ("delivered", *status, "", None),
        Verdict::Never(error) => ("failed", 0, error.as_str(), None),
        Verdict::Again(status, error) => {
            (if next.is_some() { "pending" } else { "failed" }, *status, error.as_str(), next)
        }
    };
    let patch = Row::from_iter([
        ("status".to_owned(), json!(status)),
        ("attempts".to_owned(), json!(attempts)),
        ("last_status".to_owned(), json!(answered)),
        ("last_error".to_owned(), json!(error)),
        ("tm_next".to_owned(), json!(next.map(time::stamp))),
        ("tm_update".to_owned(), json!(time::stamp(now))),
    ]);
    let pending = next.map_or(Pending::Cancel(delivery.id), |next| timer(delivery.id, next));
    let (resource, id, scope, rev) = (&DELIVERY, delivery.id, Scope::Platform, delivery.rev);
    let write = Write::Update { resource, id, scope, patch, rev, after: None };
    Unit { writes: vec![write], timers: vec![pending], ..Unit::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(attempts: i64, signed: bool) -> Delivery {
        Delivery {
            id: Uuid::max(),
            customer_id: Uuid::max(),
            rev: 4,
            status: "pending".into(),
            attempts,
            url: "https://example.com".into(),
            method: "POST".into(),
            content_type: "application/json".into(),
            signed,
            body: "{}".into(),
            tm_next: None,
        }
    }

    fn check(attempts: i64, verdict: Verdict, expected: (&str, bool)) {
        let now = time::parse("2026-01-01T00:00:00Z").expect("a time");
        let unit = outcome(&delivery(attempts, true), &verdict, now);
        let [Write::Update { patch, rev: 4, .. }] = unit.writes.as_slice() else { panic!("one update") };
        assert_eq!((&patch["status"], &patch["attempts"]), (&json!(expected.0), &json!(attempts + 1)));
        assert_eq!(patch["tm_next"].is_null(), !expected.1);
        assert_eq!(matches!(unit.timers.as_slice(), [Pending::Set(_)]), expected.1);
        assert!(unit.events.is_empty());
    }

    #[test]
    fn an_attempt_ends_a_delivery_or_sets_the_next_one() {
        check(0, Verdict::Delivered(204), ("delivered", false));
        check(0, Verdict::Again(500, "answered 500".into()), ("pending", true));
        check(6, Verdict::Again(0, "refused".into()), ("pending", true));
        check(7, Verdict::Again(0, "refused".into()), ("failed", false));
        check(0, Verdict::Never("ADDRESS_FORBIDDEN: private".into()), ("failed", false));
    }

    #[test]
    fn only_what_is_the_platforms_word_is_signed() {
        let names = |signed, secret| {
            let headers = headers(&delivery(0, signed), secret, 1);
            headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let plain = ["content-type", "webhook-id", "webhook-timestamp"];
        assert_eq!(names(true, "s"), [&plain[..], &["x-voipbin-signature", "webhook-signature"]].concat());
        assert_eq!(names(true, ""), plain);
        assert_eq!(names(false, "s"), plain);
    }
}
