//! Pairs of a query string and of the cookie header, decoded. Absent and empty are the same.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::COOKIE;

pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// The first non-empty value of a parameter.
pub(crate) fn value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    pairs(query).find(|(found, value)| found == name && !value.is_empty()).map(|(_, value)| value)
}

/// The first non-empty value of a cookie.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, value)| *found == name && !value.is_empty()).map(|(_, value)| value)
}

/// Reads `%41` and `+`. What is no escape stands for itself; what is no UTF-8 becomes U+FFFD.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, escaped(&bytes[at..])) {
            (b'+', _) => out.push(b' '),
            (_, Some(escaped)) => {
                out.push(escaped);
                at += 2;
            }
            (_, None) => out.push(byte),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn escaped(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_and_broken_ones_stand_for_themselves() {
        for (text, read) in [("a+b", "a b"), ("%41%62", "Ab"), ("%", "%"), ("%4", "%4"), ("%zz", "%zz")] {
            assert_eq!(decode(text), read);
        }
        assert_eq!(decode("%ff"), "\u{fffd}");
        assert_eq!(value("a=&a=1&b=2", "a").as_deref(), Some("1"));
        assert_eq!(value("&&x", "x"), None);
    }
}
