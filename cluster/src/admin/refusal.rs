//! Our errors as gRPC statuses.

use protocol::{Error, Status};
use tonic::Code;
use tracing::warn;

use super::events::BEHIND;

/// The cause of an internal error stays here, in the log.
pub(super) fn refusal(error: Error) -> tonic::Status {
    let code = match error.status {
        Status::InvalidArgument => Code::InvalidArgument,
        Status::Unauthenticated => Code::Unauthenticated,
        Status::PermissionDenied => Code::PermissionDenied,
        Status::NotFound => Code::NotFound,
        Status::AlreadyExists => Code::AlreadyExists,
        Status::FailedPrecondition if error.reason == BEHIND => Code::OutOfRange,
        Status::PaymentRequired | Status::FailedPrecondition => Code::FailedPrecondition,
        Status::ResourceExhausted => Code::ResourceExhausted,
        Status::Unavailable => Code::Unavailable,
        Status::Internal => Code::Internal,
    };
    if let Some(cause) = error.cause {
        warn!(%cause, "operator's request failed");
    }
    tonic::Status::new(code, error.message)
}
