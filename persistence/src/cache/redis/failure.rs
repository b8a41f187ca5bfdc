//! What goes wrong with a Redis, in words that hold no password: its own may repeat what it was sent.

use fred::error::{Error as Cause, ErrorKind};
use protocol::Error;

pub(super) const LATE: &str = "no answer in time";

/// The error of a command that did nothing, or of which nobody knows.
pub(super) fn explain(cause: Cause) -> Error {
    away(&reason(&cause))
}

pub(super) fn away(reason: &str) -> Error {
    Error::unavailable(format!("the cache cannot be used: {reason}"))
}

pub(super) fn is_tls(cause: &Cause) -> bool {
    *cause.kind() == ErrorKind::Tls
}

pub(super) fn reason(cause: &Cause) -> String {
    match cause.kind() {
        ErrorKind::Auth => "it refuses the user and password, or wants some".to_owned(),
        ErrorKind::Timeout => LATE.to_owned(),
        ErrorKind::Canceled => "the connection was lost".to_owned(),
        ErrorKind::Backpressure => "too many commands wait for it".to_owned(),
        // these are the system's words, not the server's
        ErrorKind::IO | ErrorKind::Tls => plain(cause.details()),
        ErrorKind::Config
        | ErrorKind::Routing
        | ErrorKind::InvalidCommand
        | ErrorKind::InvalidArgument
        | ErrorKind::Url
        | ErrorKind::Protocol
        | ErrorKind::Unknown
        | ErrorKind::Cluster
        | ErrorKind::Parse
        | ErrorKind::Sentinel
        | ErrorKind::NotFound => code(cause.details()),
    }
}

/// `connection refused`, not `Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }`.
fn plain(text: &str) -> String {
    let inner = text.split_once("error: ").map_or(text, |(_, error)| error.trim_end_matches(" }"));
    text.split('"').nth(1).map_or_else(|| inner.trim_end_matches('.').to_owned(), str::to_lowercase)
}

/// The first word of a refusal (`OOM`, `LOADING`, `NOPERM`), which is Redis' own. The rest may be ours.
fn code(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or_default();
    match !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase()) {
        true => format!("it answers {word}"),
        false => "it answers what cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_repeats_of_a_command_is_not_repeated() {
        let said = |kind, text: &'static str| reason(&Cause::new(kind, text));
        let unknown = "ERR unknown command `AUTH`, with args beginning with: `secret`";
        assert_eq!(said(ErrorKind::Unknown, unknown), "it answers ERR");
        assert_eq!(said(ErrorKind::Unknown, "secret"), "it answers what cannot be read");
    }

    #[test]
    fn what_the_system_says_is_read_by_people() {
        let check = |text: &'static str, expected| {
            assert_eq!(reason(&Cause::new(ErrorKind::IO, text)), expected);
        };
        let refused = r#"Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }"#;
        check(refused, "connection refused");
        let unknown = r#"Custom { kind: Uncategorized, error: "failed to lookup address information" }"#;
        check(unknown, "failed to lookup address information");
        let untrusted = "Custom { kind: InvalidData, error: InvalidCertificate(UnknownIssuer) }";
        check(untrusted, "InvalidCertificate(UnknownIssuer)");
        check("Connection closed.", "Connection closed");
    }
}
