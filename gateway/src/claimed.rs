//! The claim of one request on its key: taken before it is carried out, and ended before it is answered.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Full};
use protocol::idempotency::{Answer, Claim, LARGEST, Outcome, RESOURCE, Release, Settle, Standing};
use protocol::{Command, Context, Error, Op, Request, Result, Scope, Status};
use tokio::time::{Duration, Instant, sleep};
use tracing::warn;
use uuid::Uuid;

use crate::parts::Parts;
use crate::response::Response;

/// Before each try to note the end of a request. The client waits for it; after the last one it is answered all
/// the same, and once the claim's lease is over repetitions hear that the outcome is unknown.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(1)];

/// How long one try may take.
const TRY: Duration = Duration::from_secs(3);

pub(crate) struct Claimed<'p> {
    parts: &'p Parts,
    id: Uuid,
    scope: Scope,
    request_id: Arc<str>,
}

/// What becomes of the key.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// Every repetition is answered as the first.
    Keep,
    /// The next one is the first again.
    Free,
    /// Perhaps it was done: it may not be done again, and there is no answer to repeat.
    Unknown,
}

impl<'p> Claimed<'p> {
    pub(crate) fn new(parts: &'p Parts, customer: Uuid, request_id: Arc<str>) -> Self {
        Claimed { parts, id: Uuid::now_v7(), scope: Scope::Customer(customer), request_id }
    }

    /// Takes the key, or says what it stands for.
    pub(crate) async fn take(&self, name: String, fingerprint: String) -> Result<Standing> {
        let claim = Claim { id: self.id, name, fingerprint };
        let context = Context::new(self.scope, self.request_id.clone());
        let standing = self.ask(Op::Ask(const { &Claim::VERB }), &claim, context).await;
        if standing.as_ref().is_err_and(|error| !error.unbegun) {
            // it may be stored all the same, and nobody would carry the request out
            let _ = self.tell(&Release {}).await;
        }
        standing
    }

    /// Notes how the request ended, before its client hears it: what was acknowledged is repeated alike.
    pub(crate) async fn end(&self, end: End, response: Response) -> Response {
        let (head, body) = response.into_parts();
        let Ok(body) = body.collect().await;
        let body = body.to_bytes();
        let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let code = head.status.as_u16();
        let noted = match end {
            End::Free => self.insist(&Release {}).await,
            End::Unknown => self.insist(&Settle { outcome: Outcome::Unknown }).await,
            End::Keep => {
                let outcome = outcome(code, media_type.unwrap_or_default(), &body);
                self.insist(&Settle { outcome }).await
            }
        };
        if let Err(error) = noted {
            warn!(claim = %self.id, ?end, %error, "end of a request with a key not noted");
        }
        Response::from_parts(head, Full::new(body))
    }

    /// Tells it again while the store or the domain is away. Each is harmless twice.
    async fn insist<C: Command<Reply = ()>>(&self, command: &C) -> Result<()> {
        let mut told = Ok(());
        for pause in PAUSES {
            sleep(pause).await;
            told = self.tell(command).await;
            if !told.as_ref().is_err_and(|error| error.status == Status::Unavailable) {
                break;
            }
        }
        told
    }

    async fn tell<C: Command<Reply = ()>>(&self, command: &C) -> Result<()> {
        let deadline = Instant::now() + TRY;
        let context = Context { deadline, ..Context::new(self.scope, self.request_id.clone()) };
        self.ask(Op::Verb(self.id, const { &C::VERB }), command, context).await
    }

    async fn ask<C: Command>(&self, op: Op, command: &C, context: Context) -> Result<C::Reply> {
        let missing = || Error::unbegun("This service is not available.");
        let resource = self.parts.catalog()?.named(RESOURCE).ok_or_else(missing)?.resource;
        let body = serde_json::to_value(command).map_err(Error::internal)?;
        let reply = self.parts.peers.ask(Request { resource, op, body, context }).await?;
        serde_json::from_value(reply).map_err(Error::internal)
    }
}

/// What is kept of an answer. All that we send is text; something else would be too much as well.
fn outcome(code: u16, media_type: &str, body: &[u8]) -> Outcome {
    match std::str::from_utf8(body) {
        Ok(text) if text.len() <= LARGEST => {
            Outcome::Answered(Answer { code, content_type: media_type.to_owned(), body: text.to_owned() })
        }
        Ok(_) | Err(_) => Outcome::TooLarge(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_up_to_its_limit() {
        let kept = |body: &[u8]| matches!(outcome(200, "text/plain", body), Outcome::Answered(_));
        assert!(kept(b"") && kept("ü".as_bytes()) && kept(&vec![b'x'; LARGEST]));
        assert!(!kept(&vec![b'x'; LARGEST + 1]) && !kept(b"\xff"));
    }
}
