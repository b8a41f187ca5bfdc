//! Digest access authentication (RFC 2617, as RFC 3261 22.4 uses it), both sides: MD5 and `qop=auth`.

use std::fmt::Write;

use md5::{Digest, Md5};
use protocol::ports::voice::Credentials;

use super::headers;

/// Lower-case hex MD5 of the parts with colons between them.
pub(crate) fn hash(parts: &[&str]) -> String {
    let mut digest = Md5::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            digest.update(b":");
        }
        digest.update(part.as_bytes());
    }
    digest.finalize().iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Compares without telling by its time where the difference is.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// The parameters of a `Digest` header value; `None` for another scheme.
fn params(value: &str) -> Option<Vec<(String, String)>> {
    let (scheme, rest) = value.trim().split_once(char::is_whitespace)?;
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let pair = |part: String| {
        let (key, value) = part.split_once('=')?;
        Some((key.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned()))
    };
    Some(headers::split(rest, ',').into_iter().filter_map(pair).collect())
}

fn take(params: &[(String, String)], name: &str) -> Option<String> {
    params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

/// What a server asks (WWW-Authenticate, Proxy-Authenticate).
#[derive(Debug)]
pub(crate) struct Challenge {
    pub realm: String,
    nonce: String,
    opaque: Option<String>,
    qop: bool,
    md5: bool,
}

impl Challenge {
    pub(crate) fn parse(value: &str) -> Option<Challenge> {
        let params = params(value)?;
        let qop = take(&params, "qop");
        let offers_auth = qop.as_ref().is_some_and(|qop| qop.split(',').any(|one| one.trim() == "auth"));
        Some(Challenge {
            realm: take(&params, "realm")?,
            nonce: take(&params, "nonce")?,
            opaque: take(&params, "opaque"),
            qop: offers_auth,
            md5: take(&params, "algorithm").is_none_or(|name| name.eq_ignore_ascii_case("md5")),
        })
    }

    /// The value of the header that answers; `None` for an algorithm that we lack.
    pub(crate) fn answer(&self, credentials: &Credentials, method: &str, uri: &str) -> Option<String> {
        if !self.md5 || !headers::is_line(&self.nonce) {
            return None;
        }
        let Credentials { username, password, .. } = credentials;
        let (ha1, ha2) = (hash(&[username, &self.realm, password]), hash(&[method, uri]));
        let cnonce = headers::token();
        let (response, qop) = match self.qop {
            true => (
                hash(&[&ha1, &self.nonce, "00000001", &cnonce, "auth", &ha2]),
                format!(", qop=auth, nc=00000001, cnonce=\"{cnonce}\""),
            ),
            false => (hash(&[&ha1, &self.nonce, &ha2]), String::new()),
        };
        let opaque = self.opaque.as_ref().map(|opaque| format!(", opaque=\"{opaque}\"")).unwrap_or_default();
        Some(format!(
            "Digest username=\"{username}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=MD5{qop}{opaque}",
            self.realm, self.nonce
        ))
    }
}

/// What a client answers (Authorization, Proxy-Authorization).
#[derive(Debug)]
pub(crate) struct Answer {
    pub username: String,
    pub realm: String,
    pub nonce: String,
    pub count: u32,
    uri: String,
    nc: String,
    cnonce: String,
    response: String,
}

impl Answer {
    /// `None` unless it is MD5 with `qop=auth`: anything weaker could be replayed.
    pub(crate) fn parse(value: &str) -> Option<Answer> {
        let params = params(value)?;
        let nc = take(&params, "nc")?;
        if take(&params, "qop")? != "auth"
            || !take(&params, "algorithm").is_none_or(|name| name.eq_ignore_ascii_case("md5"))
        {
            return None;
        }
        Some(Answer {
            username: take(&params, "username")?,
            realm: take(&params, "realm")?,
            nonce: take(&params, "nonce")?,
            count: u32::from_str_radix(&nc, 16).ok()?,
            uri: take(&params, "uri")?,
            cnonce: take(&params, "cnonce")?,
            response: take(&params, "response")?.to_ascii_lowercase(),
            nc,
        })
    }

    /// Whether whoever made it knows the secret behind `ha1`.
    pub(crate) fn matches(&self, ha1: &str, method: &str) -> bool {
        let ha2 = hash(&[method, &self.uri]);
        let expected = hash(&[ha1, &self.nonce, &self.nc, &self.cnonce, "auth", &ha2]);
        same(&expected, &self.response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let answer = Answer::parse(
            "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, nc=00000001, \
             cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"x\"",
        )
        .unwrap();
        assert!(answer.matches(&hash(&["Mufasa", "testrealm@host.com", "Circle Of Life"]), "GET"));
        assert!(!answer.matches(&hash(&["Mufasa", "testrealm@host.com", "Circle of Life"]), "GET"));
    }

    #[test]
    fn an_answer_to_a_challenge_is_accepted_by_the_other_side() {
        let challenge =
            Challenge::parse("Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\", opaque=\"o\"");
        let credentials = Credentials { realm: "r".into(), username: "u".into(), password: "p".into() };
        let value = challenge.unwrap().answer(&credentials, "INVITE", "sip:a@h").unwrap();
        assert!(Answer::parse(&value).unwrap().matches(&hash(&["u", "r", "p"]), "INVITE"));
    }
}
