//! The key under which a client sends a request again, and what makes two requests the same.

use http::request::Parts as Head;
use http::{HeaderName, Method};
use protocol::{Error, Result};
use uuid::Uuid;

use crate::access::Caller;
use crate::{body, fingerprint, query};

pub(crate) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Stands, with `true`, in an answer that was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key, in characters.
pub(crate) const LONGEST: usize = 255;

#[derive(Debug, PartialEq)]
pub(crate) struct Key(String);

impl Key {
    /// `None` without the header, and for a method that may be repeated anyway.
    ///
    /// # Errors
    /// `InvalidArgument`: a key that is empty, longer than [`LONGEST`] or not visible ASCII, or two of them.
    pub(crate) fn of(head: &Head) -> Result<Option<Key>> {
        if head.method != Method::POST {
            return Ok(None);
        }
        let mut given = head.headers.get_all(HEADER).iter();
        let Some(first) = given.next() else { return Ok(None) };
        let text = first.as_bytes();
        let is_good = (1..=LONGEST).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        if !is_good || given.next().is_some() {
            let message =
                format!("Idempotency-Key must be one text of 1 to {LONGEST} visible ASCII characters.");
            return Err(Error::invalid(message));
        }
        Ok(Some(Key(String::from_utf8_lossy(text).into_owned())))
    }

    /// One name for one customer's key. What the key says is not kept.
    pub(crate) fn name(&self, customer: Uuid) -> String {
        fingerprint::hex(&fingerprint::of_parts([customer.as_bytes(), self.0.as_bytes()]))
    }
}

/// Who asks for what, to the byte. The caller counts, so that nobody is shown another's answer; credentials
/// do not, because a token may be renewed between two tries.
pub(crate) fn print(caller: &Caller, head: &Head, body: &[u8]) -> String {
    let caller = caller.id();
    let pairs = query::pairs(head.uri.query().unwrap_or_default());
    let pairs: Vec<_> = pairs.filter(|(name, _)| !body::CREDENTIALS.contains(&name.as_ref())).collect();
    let fixed = [caller.as_bytes(), head.method.as_str().as_bytes(), head.uri.path().as_bytes(), body];
    let pairs = pairs.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    fingerprint::hex(&fingerprint::of_parts(fixed.into_iter().chain(pairs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, uri: &str, keys: &[&[u8]]) -> Head {
        let mut request = http::Request::builder().method(method).uri(uri);
        for key in keys {
            request = request.header(HEADER, *key);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn check(method: &str, keys: &[&[u8]], expected: Result<Option<&str>, ()>) {
        let got = Key::of(&head(method, "/v1.0/tags", keys));
        let expected = expected.map(|key| key.map(|key| Key(key.to_owned())));
        assert_eq!(got.map_err(drop), expected, "{method} {keys:?}");
    }

    #[test]
    fn a_key_is_one_short_visible_text() {
        let (longest, longer) = ("k".repeat(LONGEST), "k".repeat(LONGEST + 1));
        check("POST", &[], Ok(None));
        check("POST", &[b"!~"], Ok(Some("!~")));
        check("POST", &[longest.as_bytes()], Ok(Some(&longest)));
        for bad in [&b""[..], b"two words", b"tab\tbed", b"gr\xc3\xbcn", longer.as_bytes()] {
            check("POST", &[bad], Err(()));
        }
        check("POST", &[b"a", b"a"], Err(()));
        check("PUT", &[b""], Ok(None));
    }

    #[test]
    fn the_same_key_of_two_customers_is_two_keys() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let key = |text: &str| Key(text.to_owned());
        assert_eq!(key("a").name(ours), key("a").name(ours));
        assert_ne!(key("a").name(ours), key("a").name(theirs));
        assert_ne!(key("a").name(ours), key("A").name(ours));
    }

    #[test]
    fn two_requests_are_the_same_to_the_byte_whatever_their_token() {
        let caller = Caller::key(Uuid::from_u128(1));
        let of = |uri: &str, body: &str| print(&caller, &head("POST", uri, &[]), body.as_bytes());
        let first = of("/v1.0/tags?a=1", "{}");
        assert_eq!(first, of("/v1.0/tags?a=1&token=old", "{}"));
        assert_eq!(first, of("/v1.0/tags?accesskey=new&a=1", "{}"));
        for (uri, body) in [
            ("/v1.0/tags?a=1", "{ }"),
            ("/v1.0/tags?a=2", "{}"),
            ("/v1.0/tags", "{}"),
            ("/v1.0/flows?a=1", "{}"),
        ] {
            assert_ne!(first, of(uri, body), "{uri} {body}");
        }
        let agent = Caller::agent(Uuid::from_u128(1), Uuid::from_u128(2), 0);
        assert_ne!(first, print(&agent, &head("POST", "/v1.0/tags?a=1", &[]), b"{}"));
    }
}
