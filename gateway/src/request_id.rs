//! The name of a request in logs and errors: the client's own if it is harmless, else a new one.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use rand::RngCore;

pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// RFC 4648, upper case.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub(crate) fn of(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(HEADER).and_then(|value| value.to_str().ok());
    match given.filter(|id| is_harmless(id)) {
        Some(id) => id.into(),
        None => fresh().into(),
    }
}

fn is_harmless(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// 16 random bytes are 26 digits of five bits each, the last one padded with zeros.
fn fresh() -> String {
    let mut random = [0; 16];
    rand::rng().fill_bytes(&mut random);
    let bits = u128::from_be_bytes(random);
    let digit = |at: u32| {
        let five = if at < 25 { bits >> (123 - 5 * at) } else { bits << 2 };
        char::from(BASE32[(five & 31) as usize])
    };
    let mut id = String::with_capacity(30);
    id.push_str("req_");
    id.extend((0..26).map(digit));
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, echoed: bool) {
        let headers = HeaderMap::from_iter([(HEADER, given.parse().expect("a header"))]);
        assert_eq!(&*of(&headers) == given, echoed, "{given}");
    }

    #[test]
    fn only_harmless_ids_are_echoed() {
        check("a-B_9", true);
        check(&"x".repeat(64), true);
        check(&"x".repeat(65), false);
        check("", false);
        check("a b", false);
        check("<script>", false);
    }

    #[test]
    fn a_new_id_has_26_digits() {
        let id = fresh();
        assert!(id.starts_with("req_") && id.len() == 30, "{id}");
        assert!(id[4..].bytes().all(|byte| BASE32.contains(&byte)));
        assert_ne!(id, fresh());
    }
}
