//! One error type crosses every boundary: mailbox, broker, HTTP.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The ten classes a caller may act on. The wire names are VoIPBIN's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    InvalidArgument,
    Unauthenticated,
    PaymentRequired,
    PermissionDenied,
    NotFound,
    AlreadyExists,
    FailedPrecondition,
    ResourceExhausted,
    Unavailable,
    Internal,
}

impl Status {
    pub const fn http(self) -> u16 {
        match self {
            Status::InvalidArgument => 400,
            Status::Unauthenticated => 401,
            Status::PaymentRequired => 402,
            Status::PermissionDenied => 403,
            Status::NotFound => 404,
            Status::AlreadyExists | Status::FailedPrecondition => 409,
            Status::ResourceExhausted => 429,
            Status::Unavailable => 503,
            Status::Internal => 500,
        }
    }
}

/// `reason` is a constant a client may match on, `message` is for a person; both may reach a customer.
/// `cause` stays in the log of the node that saw it.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[error("{reason}: {message}")]
pub struct Error {
    pub status: Status,
    pub reason: Cow<'static, str>,
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Map<String, Value>>,
    /// Refused at the door of what was asked: nothing was begun, so asking again does nothing twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unbegun: bool,
    #[serde(skip)]
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(status: Status, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Error {
            status,
            reason: reason.into(),
            message: message.into(),
            details: Vec::new(),
            unbegun: false,
            cause: None,
        }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Status::InvalidArgument, "INVALID_ARGUMENT", message)
    }

    /// The resource does not exist, is deleted, or belongs to somebody else: the same bytes for all three.
    pub fn not_found() -> Self {
        Self::new(Status::NotFound, "RESOURCE_NOT_FOUND", "The requested resource was not found.")
    }

    /// As [`Error::not_found`], with the reason VoIPBIN gives for this resource (`CALL_NOT_FOUND`).
    pub fn no_such(resource: &str) -> Self {
        let mut error = Self::not_found();
        error.reason = format!("{}_NOT_FOUND", resource.to_ascii_uppercase()).into();
        error
    }

    /// The state of the resource forbids what was asked; asking again later may succeed.
    pub fn state(message: impl Into<String>) -> Self {
        Self::new(Status::FailedPrecondition, "STATE_INVALID", message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Status::Unavailable, "SERVICE_UNAVAILABLE", message)
    }

    /// As [`Error::unavailable`], by whoever had not begun anything yet.
    pub fn unbegun(message: impl Into<String>) -> Self {
        Error { unbegun: true, ..Self::unavailable(message) }
    }

    /// The same error from somebody who had begun: what refused it stood further inside.
    pub fn begun(self) -> Self {
        Error { unbegun: false, ..self }
    }

    /// The deadline passed before an answer came. Whether anything changed is unknown.
    pub fn timeout() -> Self {
        Self::new(Status::Unavailable, "REQUEST_TIMEOUT", "The request was not answered in time.")
    }

    /// The way to whoever should have answered broke. Whether anything changed is unknown; what only reads may
    /// be asked again.
    pub fn lost(message: impl Into<String>) -> Self {
        Self::new(Status::Unavailable, "TRANSPORT_LOST", message)
    }

    pub fn is_lost(&self) -> bool {
        self.reason == "TRANSPORT_LOST"
    }

    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(Status::Internal, "INTERNAL", "An internal error occurred.");
        error.cause = Some(cause.into());
        error
    }

    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.push(Map::from_iter([(name.to_owned(), value.into())]));
        self
    }

    /// The write met a row that somebody else had changed since it was read.
    pub fn conflict() -> Self {
        Self::new(Status::FailedPrecondition, "ROW_CHANGED", "The resource was changed by another request.")
    }

    /// Another process has taken the name of this node: nothing was changed, and nothing will be.
    pub fn fenced() -> Self {
        let message = "another process runs under the name of this node; give each a --node of its own";
        Self::new(Status::Unavailable, "NODE_FENCED", message)
    }

    /// A change of which nobody knows whether it is stored.
    pub fn commit_unknown() -> Self {
        let message = "The database did not confirm the change. It may or may not be stored.";
        Self::new(Status::Unavailable, "COMMIT_UNKNOWN", message)
    }

    pub fn is_commit_unknown(&self) -> bool {
        self.reason == "COMMIT_UNKNOWN"
    }

    pub fn is_fenced(&self) -> bool {
        self.reason == "NODE_FENCED"
    }

    pub fn is_timeout(&self) -> bool {
        self.reason == "REQUEST_TIMEOUT"
    }

    pub fn is_conflict(&self) -> bool {
        self.reason == "ROW_CHANGED"
    }
}
