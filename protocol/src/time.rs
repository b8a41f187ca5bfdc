//! Times as rows and the wire carry them: RFC 3339, UTC, six fraction digits.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};

/// A point in time, UTC. Microseconds are what every backend keeps.
pub type Time = DateTime<Utc>;

/// `2026-01-02T03:04:05.000006Z`
pub fn stamp(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Reads any RFC 3339 time and cuts it to microseconds.
pub fn parse(text: &str) -> Option<Time> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc).trunc_subsecs(6))
}

/// The outward form (Go's `time.Time`): trailing zeros of the fraction are dropped.
pub fn outward(text: &str) -> Cow<'_, str> {
    match text.strip_suffix('Z').and_then(|t| t.split_once('.')) {
        Some((whole, fraction)) => match fraction.trim_end_matches('0') {
            "" => Cow::Owned(format!("{whole}Z")),
            rest if rest.len() == fraction.len() => Cow::Borrowed(text),
            rest => Cow::Owned(format!("{whole}.{rest}Z")),
        },
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_zeros_do_not_leave() {
        for (inner, outer) in [
            ("2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.120000Z", "2026-01-02T03:04:05.12Z"),
            ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(outward(inner), outer);
        }
    }

    #[test]
    fn a_stamp_reads_back() {
        let time = parse("2026-01-02T05:04:05.1234567+02:00").expect("a time");
        assert_eq!(stamp(time), "2026-01-02T03:04:05.123456Z");
        assert_eq!(parse(&stamp(time)), Some(time));
    }
}
