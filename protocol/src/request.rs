//! The one message a domain's mailbox accepts from outside.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::{Error, Resource, Result, Row, Verb, time};

/// Whose rows a request may touch. The store adds it to every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The installation itself: every customer's rows.
    Platform,
    Customer(Uuid),
}

impl Scope {
    pub fn customer(self) -> Option<Uuid> {
        match self {
            Scope::Customer(id) => Some(id),
            Scope::Platform => None,
        }
    }
}

/// The last row of the page before: newest first, ties by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub tm_create: String,
    /// `None` for VoIPBIN's bare timestamps: rows strictly older.
    pub id: Option<Uuid>,
}

impl Cursor {
    pub fn parse(token: &str) -> Result<Self> {
        let (at, id) = match token.split_once('_') {
            Some((at, id)) => (at, Some(id.parse().map_err(|_| bad_token())?)),
            None => (token, None),
        };
        let at = time::parse(at).ok_or_else(bad_token)?;
        Ok(Cursor { tm_create: time::stamp(at), id })
    }

    pub fn of(row: &Row) -> Option<Self> {
        let text = |name: &str| row.get(name).and_then(Value::as_str);
        Some(Cursor { tm_create: text("tm_create")?.to_owned(), id: text("id")?.parse().ok() })
    }

    pub fn token(&self) -> String {
        match self.id {
            Some(id) => format!("{}_{id}", self.tm_create),
            None => self.tm_create.clone(),
        }
    }
}

fn bad_token() -> Error {
    Error::invalid("page_token must be the next_page_token of an earlier page")
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub size: u32,
    pub after: Option<Cursor>,
}

impl Page {
    /// VoIPBIN's default and largest page.
    pub const MOST: u32 = 100;

    /// Zero, negative and too large sizes become the largest one, as clients of VoIPBIN expect.
    pub fn of(size: i64, after: Option<Cursor>) -> Self {
        let size = u32::try_from(size).ok().filter(|size| (1..=Self::MOST).contains(size));
        Page { size: size.unwrap_or(Self::MOST), after }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    List(Page),
    Create,
    Get(Uuid),
    Update(Uuid),
    Delete(Uuid),
    Verb(Uuid, &'static Verb),
    /// A verb of the collection, not of an item.
    Ask(&'static Verb),
}

impl Op {
    /// Of the item that it is about.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Op::Get(id) | Op::Update(id) | Op::Delete(id) | Op::Verb(id, _) => Some(*id),
            Op::List(_) | Op::Create | Op::Ask(_) => None,
        }
    }
}

/// Whose request it is and until when its answer matters. Handed down the chain unchanged.
#[derive(Clone, Debug)]
pub struct Context {
    pub scope: Scope,
    pub deadline: Instant,
    pub request_id: Arc<str>,
}

/// Most operations. A request that is not answered by then is refused with `REQUEST_TIMEOUT`.
pub const TIMEOUT: Duration = Duration::from_secs(30);

impl Context {
    pub fn new(scope: Scope, request_id: impl Into<Arc<str>>) -> Self {
        Context { scope, deadline: Instant::now() + TIMEOUT, request_id: request_id.into() }
    }

    /// Work that the platform does on its own account: timers, followers, reports of the engine.
    pub fn own(scope: Scope) -> Self {
        Self::new(scope, "")
    }

    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The customer that the request is for, or an error for one that must have a customer.
    pub fn customer(&self) -> Result<Uuid> {
        self.scope.customer().ok_or_else(|| Error::invalid("the request names no customer"))
    }
}

/// Parsed once, at the edge that received it. `sock` turns it into VoIPBIN's wire form and back.
#[derive(Clone, Debug)]
pub struct Request {
    pub resource: &'static Resource,
    pub op: Op,
    /// The new row, the patch, the filter of a list, or the command of a verb.
    pub body: Value,
    pub context: Context,
}

impl Request {
    /// Requests with one key are served in order; others run side by side. Reads never wait.
    pub fn key(&self) -> Uuid {
        match self.op {
            Op::Update(id) | Op::Delete(id) | Op::Verb(id, _) => id,
            Op::Get(_) | Op::List(_) | Op::Create | Op::Ask(_) => Uuid::now_v7(),
        }
    }

    /// May be sent again when no answer came.
    pub fn is_idempotent(&self) -> bool {
        match &self.op {
            Op::Get(_) | Op::List(_) | Op::Update(_) | Op::Delete(_) => true,
            Op::Verb(_, verb) | Op::Ask(verb) => verb.method != crate::Method::Post,
            Op::Create => false,
        }
    }
}

/// A typed verb on a resource. The handler sees `Self`; the mailbox sees a [`Request`].
pub trait Command: Serialize + DeserializeOwned + Send + 'static {
    const VERB: Verb;
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_time_or_a_time_and_an_id() {
        let id = Uuid::now_v7();
        let token = format!("2026-01-02T03:04:05.000006Z_{id}");
        assert_eq!(Cursor::parse(&token).expect("cursor").token(), token);
        let bare = Cursor::parse("2026-01-02T03:04:05Z").expect("cursor");
        assert_eq!((bare.tm_create.as_str(), bare.id), ("2026-01-02T03:04:05.000000Z", None));
        assert!(Cursor::parse("yesterday").is_err() && Cursor::parse("2026-01-02T03:04:05Z_1").is_err());
    }

    #[test]
    fn odd_sizes_become_the_largest() {
        for (asked, given) in [(0, 100), (-1, 100), (101, 100), (100, 100), (1, 1), (i64::MAX, 100)] {
            assert_eq!(Page::of(asked, None).size, given);
        }
    }
}
