//! JSON as Go writes it: `<`, `>`, `&` and the two Unicode line separators leave as `\u00XX`.

use bytes::Bytes;
use serde::Serialize;

/// Most rows fit; a larger document grows.
const TYPICAL: usize = 2048;

pub(crate) fn bytes(value: &impl Serialize) -> protocol::Result<Bytes> {
    let mut out = Vec::with_capacity(TYPICAL);
    serde_json::to_writer(&mut out, value).map_err(protocol::Error::internal)?;
    Ok(if may_differ(&out) { escaped(&out) } else { out }.into())
}

/// Looks at every byte without a branch, which is many at a time: nearly no document has one of them.
fn may_differ(json: &[u8]) -> bool {
    json.iter().fold(false, |found, &byte| found | matches!(byte, b'<' | b'>' | b'&' | LINE))
}

/// The first byte of U+2028 and U+2029, and of many others.
const LINE: u8 = 0xe2;

/// In JSON these characters stand in texts only, so wherever they are they may be escaped.
fn escaped(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() + json.len() / 8);
    let mut rest = json;
    while let [byte, after @ ..] = rest {
        let (escape, length): (&[u8], _) = match rest {
            [b'<', ..] => (br"\u003c", 1),
            [b'>', ..] => (br"\u003e", 1),
            [b'&', ..] => (br"\u0026", 1),
            [LINE, 0x80, 0xa8, ..] => (br"\u2028", 3),
            [LINE, 0x80, 0xa9, ..] => (br"\u2029", 3),
            _ => (std::slice::from_ref(byte), 1),
        };
        out.extend_from_slice(escape);
        rest = after.get(length - 1..).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn other_characters_stay() {
        let text = "\u{2013}\u{20ac}\u{202a}é";
        assert_eq!(bytes(&text).expect("json"), format!("\"{text}\""));
    }

    #[test]
    fn html_characters_are_escaped() {
        let value = json!({"<k>": "a<b>&\u{2028}\"\\\n", "z": [1, null]});
        assert_eq!(
            bytes(&value).expect("json"),
            r#"{"\u003ck\u003e":"a\u003cb\u003e\u0026\u2028\"\\\n","z":[1,null]}"#
        );
    }
}
