//! What a customer's own fields may hold. Only the form: nothing is looked up.

use protocol::{Error, Result};
use serde_json::Value;

/// One `@` with something on both sides and a dot in the domain; no blanks.
pub(crate) fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.split_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
    plain(user) && plain(host) && host.contains('.') && !host.starts_with('.') && !host.ends_with('.')
}

pub(super) fn email(value: &Value) -> Result<()> {
    match value.as_str().is_some_and(is_email) {
        true => Ok(()),
        false => Err(Error::invalid("must be an e-mail address")),
    }
}

/// Empty, or an absolute `http` or `https` address without credentials. Where it points to is checked when
/// it is used: names resolve anew each time.
pub(super) fn web_address(value: &Value) -> Result<()> {
    match value.as_str() {
        Some("") => Ok(()),
        Some(text) if is_web_address(text) => Ok(()),
        Some(_) | None => Err(Error::invalid("must be an absolute http or https address")),
    }
}

fn is_web_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = |a: &http::uri::Authority| !a.host().is_empty() && !a.as_str().contains('@');
    scheme && uri.authority().is_some_and(authority)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_email_address_has_two_sides() {
        for (text, expected) in [
            ("ann@example.com", true),
            ("a.b+c@mail.example.org", true),
            ("", false),
            ("ann", false),
            ("@example.com", false),
            ("ann@", false),
            ("ann@localhost", false),
            ("ann@example.", false),
            ("a b@example.com", false),
            ("a@b@example.com", false),
        ] {
            assert_eq!(is_email(text), expected, "{text}");
        }
    }

    #[test]
    fn a_webhook_address_is_absolute() {
        for (text, expected) in [
            ("", true),
            ("https://example.com/hook?a=1", true),
            ("http://192.0.2.1:8080", true),
            ("/hook", false),
            ("example.com/hook", false),
            ("ftp://example.com", false),
            ("https://user:pass@example.com", false),
            ("https://exa mple.com", false),
        ] {
            assert_eq!(web_address(&json!(text)).is_ok(), expected, "{text}");
        }
    }
}
