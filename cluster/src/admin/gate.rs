//! Who may come in: whoever shows the token. How long a comparison takes says nothing about the token.

use protocol::{Error, Result};
use rand::RngCore as _;
use ring::hmac;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Shorter ones can be guessed. Our own have 43 characters.
const SHORTEST: usize = 16;

/// Keeps a keyed hash instead of the token: hashes of one length are compared in constant time.
#[derive(Clone)]
pub(super) struct Gate {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl Gate {
    pub(super) fn new(token: &str) -> Result<Self> {
        if token.len() < SHORTEST {
            return Err(Error::invalid(format!("--admin-token must have at least {SHORTEST} characters")));
        }
        let mut seed = [0; 32];
        rand::rng().fill_bytes(&mut seed);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &seed);
        let tag = hmac::sign(&key, token.as_bytes());
        Ok(Gate { key, tag })
    }

    fn admits(&self, metadata: &MetadataMap) -> bool {
        bearer(metadata).is_some_and(|token| hmac::verify(&self.key, token, self.tag.as_ref()).is_ok())
    }
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if self.admits(request.metadata()) {
            return Ok(request);
        }
        metrics::counter!("admin_requests_refused_total").increment(1);
        Err(Status::unauthenticated("authorization must be Bearer and the node's admin token"))
    }
}

/// The scheme is case-blind (RFC 9110 11.1), the token is not.
fn bearer(metadata: &MetadataMap) -> Option<&[u8]> {
    let (scheme, token) = metadata.get("authorization")?.as_bytes().split_at_checked("Bearer ".len())?;
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
}
