//! JSON as Go writes it: `<`, `>`, `&` and the two Unicode line separators leave as `\u00XX`.

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Most rows fit; a larger document grows.
const TYPICAL: usize = 1024;

pub(crate) fn bytes(value: &impl Serialize) -> protocol::Result<Bytes> {
    let mut out = Vec::with_capacity(TYPICAL);
    value.serialize(&mut Serializer::with_formatter(&mut out, Go)).map_err(protocol::Error::internal)?;
    Ok(out.into())
}

struct Go;

impl Formatter for Go {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, from) = rest.split_at(at);
            let special = from.chars().next().unwrap_or_default();
            write!(out, "{plain}\\u{:04x}", u32::from(special))?;
            rest = &from[special.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn html_characters_are_escaped() {
        let value = json!({"<k>": "a<b>&\u{2028}\"\\\n", "z": [1, null]});
        assert_eq!(
            bytes(&value).expect("json"),
            r#"{"\u003ck\u003e":"a\u003cb\u003e\u0026\u2028\"\\\n","z":[1,null]}"#
        );
    }
}
