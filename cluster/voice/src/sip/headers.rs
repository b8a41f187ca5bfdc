//! Reading and writing the parts of SIP messages that calls need.
//!
//! The stack's typed headers are not used: they lose what they do not know, and a dialog must send back what
//! it was given, byte for byte. Values are read where they are needed, by name, and stay text.

use rand::Rng;
use rsipstack::sip::{Headers, Request, Response, StatusCode};

/// What we allow, in the order we list it.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REGISTER";

/// Extensions (RFC 3261 19.2) that we understand when a peer requires them.
pub(crate) const SUPPORTED: &[&str] = &[];

/// The first header of that name.
pub(crate) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|header| header.name().eq_ignore_ascii_case(name)).map(|header| header.value().trim())
}

/// Every element of a comma-separated header, over all its lines, in order.
pub(crate) fn list(headers: &Headers, name: &str) -> Vec<String> {
    headers
        .iter()
        .filter(|header| header.name().eq_ignore_ascii_case(name))
        .flat_map(|header| split(header.value(), ','))
        .filter(|value| !value.is_empty())
        .collect()
}

/// Splits at `separator`, but not inside quotes or angle brackets.
pub(crate) fn split(value: &str, separator: char) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut angle, mut escaped) = (false, false, false);
    for c in value.chars() {
        let plain = !quoted && !angle;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !angle => quoted = !quoted,
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            _ => {}
        }
        if c == separator && plain {
            parts.push(std::mem::take(&mut part).trim().to_owned());
        } else {
            part.push(c);
        }
    }
    parts.push(part.trim().to_owned());
    parts
}

/// `"Bob" <sip:bob@host>;tag=1` taken apart (RFC 3261 20.10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameAddr {
    pub name: String,
    pub uri: String,
    pub params: Vec<(String, String)>,
}

impl NameAddr {
    /// `None` when there is no URI in it.
    pub(crate) fn parse(value: &str) -> Option<NameAddr> {
        let mut parts = split(value, ';').into_iter();
        let first = parts.next()?;
        let (name, uri) = match first.rsplit_once('<') {
            Some((name, rest)) => (name.trim(), rest.split_once('>')?.0),
            None => ("", first.as_str()),
        };
        let params = parts.map(|part| match part.split_once('=') {
            Some((name, value)) => (name.trim().to_ascii_lowercase(), value.trim().to_owned()),
            None => (part.to_ascii_lowercase(), String::new()),
        });
        let name = name.trim_matches('"').replace("\\\"", "\"");
        Some(NameAddr { name, uri: uri.trim().to_owned(), params: params.collect() })
            .filter(|parsed| !parsed.uri.is_empty())
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn tag(&self) -> Option<&str> {
        self.param("tag").filter(|tag| !tag.is_empty())
    }
}

/// User, host and port of a `sip:`, `sips:` or `tel:` URI; the host in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub user: String,
    pub host: String,
    pub port: Option<u16>,
    pub tcp: bool,
}

impl Target {
    /// `None` for another scheme or a URI without host.
    pub(crate) fn parse(uri: &str) -> Option<Target> {
        let (scheme, rest) = uri.split_once(':')?;
        if scheme.eq_ignore_ascii_case("tel") {
            return Some(Target { user: before(rest, ';').to_owned(), ..Target::default() });
        }
        if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
            return None;
        }
        let (user, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let address = before(before(rest, '?'), ';');
        let (host, port) = host_port(address)?;
        let tcp = rest.to_ascii_lowercase().contains("transport=tcp");
        let user = before(before(user, ';'), ':').to_owned();
        Some(Target { user, host: host.to_ascii_lowercase(), port, tcp })
    }
}

fn before(value: &str, end: char) -> &str {
    value.split(end).next().unwrap_or_default()
}

fn host_port(address: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return Some((host, port.strip_prefix(':').map(str::parse).transpose().ok()?));
    }
    let (host, port) = match address.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (address, None),
    };
    (!host.is_empty()).then_some((host, port))
}

/// The tag of From (`"From"`) or To (`"To"`).
pub(crate) fn tag(headers: &Headers, name: &str) -> Option<String> {
    NameAddr::parse(header(headers, name)?)?.tag().map(str::to_owned)
}

/// A From or To value without its tag, as a dialog keeps it.
pub(crate) fn untagged(value: &str) -> String {
    let kept = split(value, ';').into_iter().filter(|part| !part.to_ascii_lowercase().starts_with("tag="));
    kept.collect::<Vec<_>>().join(";")
}

/// Number of CSeq.
pub(crate) fn cseq(headers: &Headers) -> Option<u32> {
    header(headers, "CSeq")?.split_whitespace().next()?.parse().ok()
}

/// Method of CSeq, as it stands there.
pub(crate) fn cseq_method(headers: &Headers) -> Option<&str> {
    header(headers, "CSeq")?.split_whitespace().nth(1)
}

/// Something nobody can guess or repeat: tags, branches, Call-IDs.
pub(crate) fn token() -> String {
    format!("{:024x}", rand::rng().random::<u128>() >> 32)
}

/// Whether a value can stand in a header line: anything else could add lines of its own.
pub(crate) fn is_line(value: &str) -> bool {
    !value.contains(['\r', '\n', '\0'])
}

/// A display name as a quoted string (RFC 3261 25.1).
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A response to `request` with what RFC 3261 8.2.6 copies, and `extra` lines.
pub(crate) fn respond(
    request: &Request,
    status: u16,
    tag: Option<&str>,
    extra: &str,
    body: &str,
) -> Response {
    let mut text = format!("SIP/2.0 {status} {}\r\n", StatusCode::from(status).text());
    for header in request.headers.iter() {
        let name = header.name();
        let copied = ["Via", "From", "Call-ID", "CSeq"].iter().any(|kept| name.eq_ignore_ascii_case(kept));
        if copied || (name.eq_ignore_ascii_case("Record-Route") && status < 300) {
            text.push_str(&format!("{name}: {}\r\n", header.value()));
        } else if name.eq_ignore_ascii_case("To") {
            let tag = tag.filter(|_| NameAddr::parse(header.value()).is_none_or(|to| to.tag().is_none()));
            let tag = tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
            text.push_str(&format!("To: {}{tag}\r\n", header.value()));
        }
    }
    text.push_str(extra);
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    parse_response(&text, request)
}

fn parse_response(text: &str, request: &Request) -> Response {
    Response::try_from(text.as_bytes()).unwrap_or_else(|_| Response {
        status_code: StatusCode::ServerInternalError,
        wire_reason: None,
        version: request.version,
        headers: request.headers.clone(),
        body: Vec::new(),
    })
}

/// The status of a response as a number.
pub(crate) fn status(response: &Response) -> u16 {
    response.status_code.code()
}

/// The SDP of a message, when it has one.
pub(crate) fn sdp<'a>(headers: &Headers, body: &'a [u8]) -> Option<&'a str> {
    let kind = header(headers, "Content-Type")?;
    if !before(kind, ';').trim().eq_ignore_ascii_case("application/sdp") {
        return None;
    }
    std::str::from_utf8(body).ok().filter(|body| !body.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_separators_in_quotes_is_one_value() {
        let parsed = NameAddr::parse("\"A, B; <C>\" <sip:a@h;transport=tcp>;tag=1;x").unwrap();
        assert_eq!(parsed.uri, "sip:a@h;transport=tcp");
        assert_eq!(parsed.tag(), Some("1"));
        assert_eq!(split("\"a,b\" <sip:x>, <sip:y,z>", ',').len(), 2);
    }

    #[test]
    fn a_uri_is_taken_apart_whatever_its_form() {
        let target = Target::parse("sip:+1;phone-context=x@Example.COM:5070;transport=tcp?a=b").unwrap();
        assert_eq!((target.user.as_str(), target.host.as_str()), ("+1", "example.com"));
        assert_eq!((target.port, target.tcp), (Some(5070), true));
        assert_eq!(Target::parse("sip:[::1]:5060").unwrap().host, "::1");
        assert_eq!(Target::parse("http://x"), None);
        assert_eq!(Target::parse("sip:a@h:99999"), None);
    }

    #[test]
    fn a_tag_is_removed_and_nothing_else() {
        assert_eq!(untagged("<sip:a@h;x=y>;tag=1;z=2"), "<sip:a@h;x=y>;z=2");
    }
}
