//! What a failed statement means for the caller. The database's own words stay in the cause, for the log.

use std::sync::Arc;

use protocol::{Error, Status};

use super::dialect::{Dialect, Fault};

/// Why a transaction did not succeed.
pub(super) enum Failure {
    /// There was none: no connection, or the lock of the whole database. Nobody's job is to blame.
    Begin(sqlx::Error),
    /// The name of this node is another process's. Nothing is stored.
    Fenced,
    /// Nothing is stored.
    Apply(sqlx::Error),
    /// Everything or nothing is stored, and nobody knows which.
    Commit(sqlx::Error),
}

impl Failure {
    /// The database refused something and is well: the same without the guilty job may succeed.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Failure::Apply(sqlx::Error::Database(_)))
    }

    pub(super) fn is_busy<D: Dialect>(&self) -> bool {
        matches!(self, Failure::Apply(cause) if fault::<D>(cause) == Fault::Busy)
    }

    /// The answer of everyone whose job was in the transaction.
    pub(super) fn answer<D: Dialect>(self) -> impl Fn() -> Error {
        let (unknown, cause) = match self {
            Failure::Fenced => (false, None),
            Failure::Begin(cause) | Failure::Apply(cause) => (false, Some(Arc::new(cause))),
            Failure::Commit(cause) => (true, Some(Arc::new(cause))),
        };
        move || match &cause {
            None => Error::fenced(),
            Some(cause) if unknown => commit_unknown(cause.clone()),
            Some(cause) => explain::<D>(cause.clone()),
        }
    }
}

pub(super) fn fault<D: Dialect>(cause: &sqlx::Error) -> Fault {
    cause.as_database_error().map_or(Fault::Other, D::fault)
}

/// The error of a statement that changed nothing.
pub(super) fn explain<D: Dialect>(cause: Arc<sqlx::Error>) -> Error {
    let mut error = match fault::<D>(&cause) {
        Fault::Full => Error::new(
            Status::Unavailable,
            "DISK_FULL",
            "the disk of the database is full: nothing was stored; free some space and try again",
        ),
        Fault::Busy => Error::unavailable("the database is busy with other changes; try again"),
        Fault::Other if matches!(*cause, sqlx::Error::PoolTimedOut) => {
            Error::unavailable("the database did not answer in time")
        }
        Fault::Other if is_lost(&cause) => Error::unavailable("the database cannot be reached"),
        Fault::Other => return Error::internal(cause),
    };
    error.cause = Some(cause.into());
    error
}

pub(super) fn closed() -> Error {
    Error::unavailable("the store is closed")
}

/// Of a database that stands still with a change.
pub(super) fn silent() -> Error {
    commit_unknown(Arc::new(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

pub(super) fn taken() -> Error {
    let message = "A resource with this id or unique value exists already.";
    Error::new(Status::AlreadyExists, "ALREADY_EXISTS", message)
}

/// The connection is gone, or none was to be had.
fn is_lost(cause: &sqlx::Error) -> bool {
    use sqlx::Error::{BeginFailed, Io, PoolClosed, Protocol, Tls, WorkerCrashed};
    matches!(cause, Io(_) | Tls(_) | Protocol(_) | PoolClosed | WorkerCrashed | BeginFailed)
}

fn commit_unknown(cause: Arc<sqlx::Error>) -> Error {
    Error { cause: Some(cause.into()), ..Error::commit_unknown() }
}
