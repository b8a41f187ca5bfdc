//! What a carrier's and a route's fields may hold. These texts end up in SIP messages, so nothing that could
//! end a line or open a new header gets in.

use protocol::{Error, Result};
use serde_json::Value;

/// Prefix and postfix of a dialled number, in bytes.
const LONGEST_PART: usize = 32;
const LONGEST_CODECS: usize = 255;
const MOST_HEADERS: usize = 20;
const LONGEST_HEADER: usize = 255;
/// Headers of the dialog itself: a carrier's setting must not replace them.
const RESERVED: [&str; 20] = [
    "allow",
    "authorization",
    "call-id",
    "contact",
    "content-length",
    "content-type",
    "cseq",
    "expires",
    "from",
    "max-forwards",
    "proxy-authorization",
    "record-route",
    "replaces",
    "require",
    "route",
    "session-expires",
    "supported",
    "to",
    "user-agent",
    "via",
];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn rule(holds: bool, message: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::invalid(message)) }
}

/// A name or an address, with or without a port.
pub(super) fn hostname(value: &Value) -> Result<()> {
    let (host, port) = match text(value).rsplit_once(':') {
        // an IPv6 address stands in brackets
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text(value), None),
    };
    let port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    rule(
        port && (is_name(host) || is_ipv6(host)),
        "must be a host name or an IP address, with or without a port",
    )
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

fn is_ipv6(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

/// Characters of a SIP user part that need no escape.
pub(super) fn user_part(value: &Value) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,#".contains(c);
    let text = text(value);
    rule(
        text.len() <= LONGEST_PART && text.chars().all(plain),
        "must be letters, digits, and signs such as # or +",
    )
}

pub(super) fn headers(value: &Value) -> Result<()> {
    let Some(headers) = value.as_object() else { return Ok(()) };
    rule(headers.len() <= MOST_HEADERS, "must not have more than 20 entries")?;
    headers.iter().try_for_each(|(name, value)| header(name, value))
}

fn header(name: &str, value: &Value) -> Result<()> {
    let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    let named = !name.is_empty() && name.len() <= LONGEST_HEADER && name.chars().all(token);
    rule(named, "must have names of SIP headers as its keys")?;
    let free = name.len() > 1 && !RESERVED.contains(&name.to_ascii_lowercase().as_str());
    rule(free, "must not replace headers of the dialog")?;
    let printable = |text: &str| text.len() <= LONGEST_HEADER && !text.chars().any(char::is_control);
    rule(value.as_str().is_some_and(printable), "must have texts of one line as its values")
}

/// Comma separated names, best first.
pub(super) fn codecs(value: &Value) -> Result<()> {
    let text = text(value);
    let name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        !name.is_empty() && name.chars().all(plain)
    };
    let listed = text.is_empty() || text.split(',').all(|part| name(part.trim()));
    rule(listed && text.len() <= LONGEST_CODECS, "must be names of codecs, separated by commas")
}

/// `all`, or `+` and the first digits of the numbers that the route is for.
pub(super) fn target(value: &Value) -> Result<()> {
    let prefix = |text: &str| {
        let digits = text.strip_prefix('+').unwrap_or_default();
        (1..=15).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit())
    };
    let text = text(value);
    rule(text == super::select::ALL || prefix(text), "must be all, or + and the first digits of numbers")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(rule: fn(&Value) -> Result<()>, value: Value, expected: bool) {
        assert_eq!(rule(&value).is_ok(), expected, "{value}");
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for (text, expected) in [
            ("sip.example.com", true),
            ("192.0.2.1:5080", true),
            ("[2001:db8::1]:5060", true),
            ("[2001:db8::1]", true),
            ("localhost", true),
            ("", false),
            ("sip.example.com:0", false),
            ("sip.example.com:x", false),
            ("a b", false),
            ("example.com\r\nX: y", false),
            ("user@example.com", false),
            ("example.com;transport=tcp", false),
        ] {
            check(hostname, json!(text), expected);
        }
    }

    #[test]
    fn headers_cannot_break_out() {
        check(headers, json!({"X-Account": "a b"}), true);
        check(headers, json!({"P-Asserted-Identity": "<sip:1@example.com>"}), true);
        check(headers, json!({"X-A": "a\r\nVia: b"}), false);
        check(headers, json!({"X A": "b"}), false);
        check(headers, json!({"Via": "b"}), false);
        check(headers, json!({"v": "b"}), false);
        check(headers, json!({"X-A": 1}), false);
    }

    #[test]
    fn a_target_is_a_prefix_or_all() {
        for (text, expected) in [
            ("all", true),
            ("+1", true),
            ("+4420", true),
            ("", false),
            ("+", false),
            ("1", false),
            ("+1x", false),
            ("+1234567890123456", false),
        ] {
            check(target, json!(text), expected);
        }
    }

    #[test]
    fn codecs_and_prefixes_are_plain() {
        check(codecs, json!("PCMU, PCMA"), true);
        check(codecs, json!(""), true);
        check(codecs, json!("PCMU,,PCMA"), false);
        check(codecs, json!("PCMU(1)"), false);
        check(user_part, json!("9011#"), true);
        check(user_part, json!("a@b"), false);
        check(user_part, json!("1;x"), false);
    }
}
