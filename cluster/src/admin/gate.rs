//! Who may come in: whoever shows the token. How long a comparison takes says nothing about the token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::{Error, Result};
use rand::RngCore as _;
use ring::hmac;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::listener::Peer;

/// Shorter ones can be guessed. Our own have 43 characters.
const SHORTEST: usize = 16;
/// What the token is used for besides being shown.
const SESSIONS: &[u8] = b"branchline console sessions";

/// Keeps a keyed hash instead of the token: hashes of one length are compared in constant time.
#[derive(Clone)]
pub(crate) struct Gate {
    key: hmac::Key,
    tag: hmac::Tag,
    /// Signs sessions of browsers; made of the token.
    sessions: hmac::Key,
}

impl Gate {
    pub(crate) fn new(token: &str) -> Result<Self> {
        if token.len() < SHORTEST {
            return Err(Error::invalid(format!("--admin-token must have at least {SHORTEST} characters")));
        }
        let mut seed = [0; 32];
        rand::rng().fill_bytes(&mut seed);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &seed);
        let tag = hmac::sign(&key, token.as_bytes());
        let sessions = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes()), SESSIONS);
        Ok(Gate { key, tag, sessions: hmac::Key::new(hmac::HMAC_SHA256, sessions.as_ref()) })
    }

    fn admits(&self, metadata: &MetadataMap) -> bool {
        metadata.get("authorization").is_some_and(|shown| self.admits_header(shown.as_bytes()))
    }

    /// Does the value of an `authorization` header open?
    pub(crate) fn admits_header(&self, value: &[u8]) -> bool {
        bearer(value).is_some_and(|token| self.opens(token))
    }

    pub(crate) fn opens(&self, token: &[u8]) -> bool {
        hmac::verify(&self.key, token, self.tag.as_ref()).is_ok()
    }

    /// What a browser shows instead of the token, until `until` (seconds since 1970). Nodes with one token take
    /// each other's; another token ends all of them.
    pub(crate) fn session(&self, until: i64) -> String {
        let tag = hmac::sign(&self.sessions, until.to_string().as_bytes());
        format!("{until}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// The seconds that are left at `now`, if it is one of ours that has not expired.
    pub(crate) fn continues(&self, session: &str, now: i64) -> Option<u64> {
        let (until, tag) = session.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.sessions, until.as_bytes(), &tag).ok()?;
        let left = until.parse::<i64>().ok()?.checked_sub(now)?;
        u64::try_from(left).ok().filter(|left| *left > 0)
    }
}

/// Counts a request that was not let in.
pub(crate) fn refused() {
    metrics::counter!("admin_requests_refused_total").increment(1);
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let is_known = request.extensions().get::<Peer>().is_some_and(|peer| peer.is_known);
        if is_known || self.admits(request.metadata()) {
            return Ok(request);
        }
        refused();
        Err(Status::unauthenticated("authorization must be Bearer and the node's admin token"))
    }
}

/// The scheme is case-blind (RFC 9110 11.1), the token is not.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shown: Option<&str>, expected: bool) {
        let mut metadata = MetadataMap::new();
        if let Some(shown) = shown {
            metadata.insert("authorization", shown.parse().expect("a header"));
        }
        let gate = Gate::new("0123456789abcdef").expect("a gate");
        assert_eq!(gate.admits(&metadata), expected, "{shown:?}");
    }

    #[test]
    fn only_the_whole_token_opens() {
        check(Some("Bearer 0123456789abcdef"), true);
        check(Some("bearer 0123456789abcdef"), true);
        check(Some("Bearer 0123456789abcde"), false);
        check(Some("Bearer 0123456789abcdef0"), false);
        check(Some("Bearer 0123456789ABCDEF"), false);
        check(Some("Basic 0123456789abcdef"), false);
        check(Some("Bearer"), false);
        check(Some(""), false);
        check(None, false);
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused() {
        assert!(Gate::new("").is_err() && Gate::new("0123456789abcde").is_err());
    }

    #[test]
    fn a_session_ends_and_cannot_be_made_up() {
        let gate = Gate::new("0123456789abcdef").expect("a gate");
        let session = gate.session(1000);
        assert_eq!(gate.continues(&session, 990), Some(10));
        for now in [1000, 1001, i64::MAX] {
            assert_eq!(gate.continues(&session, now), None, "expired");
        }
        assert_eq!(gate.continues(&session.replacen("1000", "2000", 1), 999), None, "moved");
        for bad in ["", "1000.", "1000.AAAA"] {
            assert_eq!(gate.continues(bad, 0), None, "{bad}");
        }
        let twin = Gate::new("0123456789abcdef").expect("a gate");
        assert_eq!(twin.continues(&session, 999), Some(1), "another node with the same token");
        let other = Gate::new("0123456789abcdeg").expect("a gate");
        assert_eq!(other.continues(&session, 999), None, "another token");
    }
}
