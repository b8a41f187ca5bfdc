//! A request with an `Idempotency-Key`: carried out once, however often it is sent, and answered alike.
//!
//! What is easily got wrong: the client that sends again is usually the one that went away. So from the claim
//! on the work belongs to the server and not to the connection, and ends whether or not somebody still listens.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts as Head;
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use protocol::idempotency::{Answer, Outcome, Standing};
use protocol::{Error, Result, Status};
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use crate::body;
use crate::claimed::{Claimed, End};
use crate::errand::Errand;
use crate::idempotency::{Key, REPLAYED, print};
use crate::parts::Parts;
use crate::response::{Refusal, Response, empty, refused};

/// When somebody else's work on the same request is probably done.
const SOON: Duration = Duration::from_secs(1);

pub(crate) struct Once {
    parts: Parts,
    tasks: TaskTracker,
    cut: CancellationToken,
}

/// One request under its key.
struct Keyed {
    parts: Parts,
    name: String,
    fingerprint: String,
    errand: Errand,
    body: Bytes,
}

impl Once {
    pub(crate) fn new(parts: Parts, (tasks, cut): (TaskTracker, CancellationToken)) -> Self {
        Once { parts, tasks, cut }
    }

    pub(crate) async fn answer(
        &self,
        errand: Errand,
        key: Key,
        (head, body): (&Head, Bytes),
    ) -> Result<Response, Refusal> {
        let keyed = Keyed {
            parts: self.parts.clone(),
            name: key.name(errand.caller.customer_id()),
            fingerprint: print(&errand.caller, head, &body),
            errand,
            body,
        };
        let cut = self.cut.clone();
        let work = async move { cut.run_until_cancelled(keyed.carry_out()).await };
        match self.tasks.spawn(work.instrument(Span::current())).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Err(Error::unavailable("The node is stopping.").into()),
            Err(panic) => Err(Error::internal(panic).into()),
        }
    }
}

impl Keyed {
    async fn carry_out(self) -> Result<Response, Refusal> {
        let Keyed { parts, name, fingerprint, errand, body } = self;
        let request_id = errand.request_id.clone();
        let claim = Claimed::new(&parts, errand.caller.customer_id(), request_id.clone());
        let standing = claim.take(name, fingerprint).await?;
        if standing != Standing::Yours {
            return repeated(standing);
        }
        let (outcome, end) = work(&parts, errand, &body).await;
        let response = outcome.unwrap_or_else(|error| refused(&error.into(), &request_id));
        Ok(claim.end(end, response).await)
    }
}

async fn work(parts: &Parts, errand: Errand, body: &[u8]) -> (Result<Response>, End) {
    let decided = match body::of(errand.wanted.resource, &errand.wanted.op, body) {
        Ok(body) => errand.decide(parts, body).await,
        Err(error) => Err(error),
    };
    let outcome = match decided {
        Ok(decided) => decided.send(parts).await,
        // until then it was only looked at
        Err(error) => Err(Error { unbegun: true, ..error }),
    };
    let end = outcome.as_ref().map_or_else(end_of, |_| End::Keep);
    (outcome, end)
}

/// What may be answered otherwise next time frees the key, if surely nothing was done.
fn end_of(error: &Error) -> End {
    match error.status {
        Status::InvalidArgument
        | Status::PaymentRequired
        | Status::NotFound
        | Status::AlreadyExists
        | Status::FailedPrecondition => End::Keep,
        Status::Unauthenticated | Status::PermissionDenied | Status::ResourceExhausted => End::Free,
        Status::Unavailable | Status::Internal if error.unbegun => End::Free,
        // a call may have been placed before something else was away
        Status::Unavailable | Status::Internal => End::Unknown,
    }
}

/// The answer to whoever was not the first.
fn repeated(standing: Standing) -> Result<Response, Refusal> {
    let refused = |reason, message: &str| Error::new(Status::FailedPrecondition, reason, message);
    Err(match standing {
        Standing::Settled(Outcome::Answered(answer)) => return Ok(replay(answer)?),
        Standing::Settled(Outcome::TooLarge(code)) => {
            let message = format!(
                "The first request with this Idempotency-Key was answered with status {code}. The answer is \
                 too large to be repeated."
            );
            refused("IDEMPOTENCY_ANSWER_NOT_KEPT", &message).into()
        }
        Standing::Settled(Outcome::Unknown) => refused(
            "IDEMPOTENCY_OUTCOME_UNKNOWN",
            "Whether the first request with this Idempotency-Key was carried out is unknown. Look before you \
             send it again under another key.",
        )
        .into(),
        Standing::Another => refused(
            "IDEMPOTENCY_KEY_REUSED",
            "This Idempotency-Key was used for another request: the caller, path, query or body differs.",
        )
        .into(),
        Standing::InProgress => {
            let message = "The first request with this Idempotency-Key is still being carried out.";
            Refusal::after(refused("IDEMPOTENCY_KEY_IN_PROGRESS", message), SOON)
        }
        Standing::Yours => Error::internal("a claim of our own is nobody's answer").into(),
    })
}

fn replay(answer: Answer) -> Result<Response> {
    let mut response = empty(StatusCode::from_u16(answer.code).map_err(Error::internal)?);
    if !answer.content_type.is_empty() {
        let media_type = HeaderValue::from_str(&answer.content_type).map_err(Error::internal)?;
        response.headers_mut().insert(CONTENT_TYPE, media_type);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    *response.body_mut() = Full::new(answer.body.into());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: Error, expected: End) {
        assert_eq!(end_of(&error), expected, "{error:?}");
    }

    #[test]
    fn only_what_surely_was_not_done_frees_the_key() {
        check(Error::invalid("bad"), End::Keep);
        check(Error::not_found(), End::Keep);
        check(Error::state("busy"), End::Keep);
        check(Error::new(Status::PaymentRequired, "X", "no money"), End::Keep);
        check(Error::new(Status::PermissionDenied, "X", "no"), End::Free);
        check(Error::new(Status::ResourceExhausted, "X", "too many"), End::Free);
        check(Error::unbegun("full"), End::Free);
        check(Error::unbegun("full").begun(), End::Unknown);
        check(Error::unavailable("it was lost"), End::Unknown);
        check(Error::timeout(), End::Unknown);
        check(Error::internal("a bug"), End::Unknown);
    }

    #[test]
    fn a_repetition_that_gets_no_answer_hears_why() {
        for (standing, reason, retry_after) in [
            (Standing::InProgress, "IDEMPOTENCY_KEY_IN_PROGRESS", Some("1")),
            (Standing::Another, "IDEMPOTENCY_KEY_REUSED", None),
            (Standing::Settled(Outcome::Unknown), "IDEMPOTENCY_OUTCOME_UNKNOWN", None),
            (Standing::Settled(Outcome::TooLarge(200)), "IDEMPOTENCY_ANSWER_NOT_KEPT", None),
        ] {
            let Err(refusal) = repeated(standing) else { panic!("{reason}: answered") };
            assert_eq!(refusal.error.reason, reason);
            let response = refused(&refusal, &"test".into());
            assert_eq!(response.status(), 409);
            let told = response.headers().get("retry-after").map(|value| value.to_str().expect("a text"));
            assert_eq!(told, retry_after, "{reason}");
        }
    }
}
