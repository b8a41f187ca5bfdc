//! The strict check in front of the stack, which parses leniently: it would answer an INVITE whose CSeq says
//! BYE, and takes any SIP version. What passes here is a SIP/2.0 message that every later reader understands.
//!
//! It works on bytes, before anything is allocated for the sender, and never panics on any of them.

use std::borrow::Cow;

/// A message may be this long (RFC 3261 18.1.1 lets UDP carry no more).
pub(crate) const MAX_BYTES: usize = 65_535;

/// More header lines than this is an attack, not a call.
const MAX_LINES: usize = 256;

const METHODS: &[&str] = &[
    "ACK",
    "BYE",
    "CANCEL",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
];

/// What to do with a received message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// It is a request that can be answered: these bytes go back to its source.
    Refuse(Vec<u8>),
    /// It is a response, an ACK, or so broken that an answer could not be matched.
    Drop,
}

/// Checks one whole message, as it came from the wire.
pub(crate) fn check(bytes: &[u8]) -> Verdict {
    let Some((head, body)) = head(bytes) else { return Verdict::Drop };
    let Some(message) = Message::split(&head, body) else { return Verdict::Drop };
    match message.start {
        Start::Response => match message.fault(None) {
            Some(_) => Verdict::Drop,
            None => Verdict::Pass,
        },
        Start::Request { method, version } => {
            let status = match version == "SIP/2.0" {
                false => Some((505, "Version Not Supported")),
                true => message.fault(Some(method)),
            };
            match status {
                None => Verdict::Pass,
                Some(_) if method == "ACK" => Verdict::Drop,
                Some((status, reason)) => message.refusal(status, reason),
            }
        }
    }
}

/// The head as text, with folded lines (RFC 3261 7.3.1) made whole, and the length of what follows. `None` when
/// there is no head, or one that is not text.
fn head(bytes: &[u8]) -> Option<(Cow<'_, str>, usize)> {
    if bytes.len() > MAX_BYTES {
        return None;
    }
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok().filter(|head| !head.contains('\0'))?;
    let folded = head.contains("\r\n ") || head.contains("\r\n\t");
    let head = match folded {
        true => Cow::Owned(head.replace("\r\n ", " ").replace("\r\n\t", " ")),
        false => Cow::Borrowed(head),
    };
    Some((head, bytes.len() - end - 4))
}

enum Start<'a> {
    Request { method: &'a str, version: &'a str },
    Response,
}

struct Message<'a> {
    start: Start<'a>,
    headers: Vec<(&'a str, &'a str)>,
    body: usize,
}

impl<'a> Message<'a> {
    fn split(head: &'a str, body: usize) -> Option<Message<'a>> {
        let mut lines = head.split("\r\n");
        let start = start(lines.next()?)?;
        let mut headers = Vec::new();
        for line in lines {
            headers.push(line.split_once(':').map(|(name, value)| (name.trim(), value.trim()))?);
        }
        (headers.len() <= MAX_LINES).then_some(Message { start, headers, body })
    }

    fn header(&self, name: &str, compact: &str) -> Option<&'a str> {
        let is = |key: &str| key.eq_ignore_ascii_case(name) || key.eq_ignore_ascii_case(compact);
        self.headers
            .iter()
            .find(|(key, _)| is(key))
            .map(|(_, value)| *value)
            .filter(|value| !value.is_empty())
    }

    /// The topmost Via, if an answer can follow it.
    fn via(&self) -> Option<&'a str> {
        let is_ours = |via: &&str| via.replace([' ', '\t'], "").starts_with("SIP/2.0/");
        self.header("Via", "v").filter(is_ours)
    }

    fn count(&self, name: &str, compact: &str) -> usize {
        let is = |key: &str| key.eq_ignore_ascii_case(name) || key.eq_ignore_ascii_case(compact);
        self.headers.iter().filter(|(key, _)| is(key)).count()
    }

    /// What is wrong with it, as the status that says so.
    fn fault(&self, method: Option<&str>) -> Option<(u16, &'static str)> {
        let single = [("From", "f"), ("To", "t"), ("Call-ID", "i"), ("CSeq", "cseq")];
        if single.iter().any(|(name, compact)| self.count(name, compact) != 1) {
            return Some((400, "Missing Or Repeated Header"));
        }
        if self.via().is_none() {
            return Some((400, "Bad Via"));
        }
        if single.iter().any(|(name, compact)| self.header(name, compact).is_none()) {
            return Some((400, "Empty Header"));
        }
        let from = self.header("From", "f").unwrap_or_default().replace([' ', '\t'], "").to_ascii_lowercase();
        if !from.contains(";tag=") {
            return Some((400, "From Without Tag"));
        }
        if self.count("Content-Length", "l") > 1 || !self.length_fits() {
            return Some((400, "Bad Content-Length"));
        }
        self.sequence_fault(method)
    }

    /// A body may be followed by rubbish (RFC 3261 18.3) but never be shorter than announced.
    fn length_fits(&self) -> bool {
        match self.header("Content-Length", "l") {
            None => true,
            Some(value) => {
                value.bytes().all(|b| b.is_ascii_digit())
                    && value.parse::<usize>().is_ok_and(|length| length <= self.body)
            }
        }
    }

    fn sequence_fault(&self, method: Option<&str>) -> Option<(u16, &'static str)> {
        let mut words = self.header("CSeq", "cseq").unwrap_or_default().split_whitespace();
        let number = words.next().and_then(|number| number.parse::<u32>().ok());
        let (Some(number), Some(named), None) = (number, words.next(), words.next()) else {
            return Some((400, "Bad CSeq"));
        };
        if number > i32::MAX as u32 || method.is_some_and(|method| method != named) {
            return Some((400, "Bad CSeq"));
        }
        (!METHODS.contains(&named)).then_some((405, "Method Not Allowed"))
    }

    fn refusal(&self, status: u16, reason: &str) -> Verdict {
        let needed = [("From", "f"), ("To", "t"), ("Call-ID", "i"), ("CSeq", "cseq")];
        if self.via().is_none() {
            return Verdict::Drop;
        }
        let mut text = format!("SIP/2.0 {status} {reason}\r\n");
        for (key, value) in &self.headers {
            if key.eq_ignore_ascii_case("Via") || key.eq_ignore_ascii_case("v") {
                text.push_str(&format!("Via: {value}\r\n"));
            }
        }
        for (name, compact) in needed {
            if let Some(value) = self.header(name, compact) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let allow =
            if status == 405 { format!("Allow: {}\r\n", super::headers::ALLOW) } else { String::new() };
        text.push_str(&format!("{allow}Content-Length: 0\r\n\r\n"));
        Verdict::Refuse(text.into_bytes())
    }
}

fn start(line: &str) -> Option<Start<'_>> {
    let mut words = line.split(' ');
    let (first, second, third) = (words.next()?, words.next()?, words.next());
    if first.starts_with("SIP/") {
        let status = second.parse::<u16>().ok().filter(|status| (100..700).contains(status));
        return status.filter(|_| first == "SIP/2.0").map(|_| Start::Response);
    }
    let version = third.filter(|version| version.starts_with("SIP/"))?;
    let method =
        !first.is_empty() && first.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
    (method && words.next().is_none()).then_some(Start::Request { method: first, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "OPTIONS sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:b@h>;tag=1\r\n\
                        To: <sip:a@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

    fn status(text: &str) -> Option<String> {
        match check(text.as_bytes()) {
            Verdict::Refuse(bytes) => String::from_utf8_lossy(&bytes).split(' ').nth(1).map(str::to_owned),
            Verdict::Pass => Some("pass".to_owned()),
            Verdict::Drop => None,
        }
    }

    #[test]
    fn a_plain_request_passes() {
        assert_eq!(check(GOOD.as_bytes()), Verdict::Pass);
        assert_eq!(status(&GOOD.replace("Content-Length: 0\r\n", "")), Some("pass".into()));
    }

    #[test]
    fn what_the_stack_would_take_is_refused() {
        assert_eq!(status(&GOOD.replace("1 OPTIONS", "1 BYE")), Some("400".into()));
        assert_eq!(status(&GOOD.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")), Some("505".into()));
        assert_eq!(status(&GOOD.replace("Length: 0", "Length: 5")), Some("400".into()));
        assert_eq!(status(&GOOD.replace("Length: 0", "Length: -1")), Some("400".into()));
        assert_eq!(status(&GOOD.replace(";tag=1", "")), Some("400".into()));
        assert_eq!(status(&GOOD.replace("1 OPTIONS", "99999999999 OPTIONS")), Some("400".into()));
        assert_eq!(status(&GOOD.replace("OPTIONS", "FROBNICATE")), Some("405".into()));
    }

    #[test]
    fn a_folded_line_is_one_line() {
        let folded = GOOD.replace("From: <sip:b@h>;tag=1", "From:\r\n <sip:b@h>\r\n\t ; tag = 1");
        assert_eq!(status(&folded), Some("pass".into()));
    }

    #[test]
    fn nothing_is_sent_to_who_cannot_be_answered() {
        assert_eq!(status(&GOOD.replace("Via", "Wia")), None);
        assert_eq!(status("\r\n\r\n"), None);
        assert_eq!(status(""), None);
    }

    #[test]
    fn every_prefix_of_a_message_is_survived() {
        for end in 0..GOOD.len() {
            assert_ne!(check(&GOOD.as_bytes()[..end]), Verdict::Pass);
        }
    }
}
