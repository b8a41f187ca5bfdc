//! Values that are more than a number or a word. An error completes "invalid value ... for --flag:".

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::Secret;
use crate::telemetry::logs;

/// A range of UDP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    pub first: u16,
    pub last: u16,
}

impl Ports {
    pub fn range(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "it must be two ports from 1024 up, the first even, as in 20000-20999".to_owned();
        let (first, last) = text.split_once('-').ok_or_else(bad)?;
        let (first, last): (u16, u16) =
            (first.trim().parse().map_err(|_| bad())?, last.trim().parse().map_err(|_| bad())?);
        // A call needs a pair of ports for each of its two legs.
        let fits =
            first >= 1024 && first.is_multiple_of(2) && last.checked_sub(first).is_some_and(|n| n >= 3);
        fits.then_some(Ports { first, last }).ok_or_else(bad)
    }
}

/// A steady rate and how much may come at once. Zero limits nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub per_second: f64,
    pub burst: u32,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "it must be a rate and a burst, as in 16.7/33, or 0".to_owned();
        if text == "0" {
            return Ok(Rate { per_second: 0.0, burst: 0 });
        }
        let (rate, burst) = text.split_once('/').ok_or_else(bad)?;
        let (per_second, burst): (f64, u32) =
            (rate.parse().map_err(|_| bad())?, burst.parse().map_err(|_| bad())?);
        let fits = (0.001..=1_000_000.0).contains(&per_second) && burst >= 1;
        fits.then_some(Rate { per_second, burst }).ok_or_else(bad)
    }
}

/// A name of a node: it becomes part of queue names.
pub(super) fn node(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    match (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("it must be 1 to 64 letters, digits, dots, dashes or underscores".into()),
    }
}

/// The host's name as a name of a node.
pub(super) fn host() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    node(name.trim()).unwrap_or_else(|_| "branchline".to_owned())
}

/// A domain of the platform, `gateway`, or `*`.
pub(super) fn domain(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it must name domains, as in call-manager,gateway, or be *".into()),
        "*" => Ok("*".to_owned()),
        name => node(name),
    }
}

/// A host name.
pub(super) fn name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match text.len() <= 200 && text.split('.').all(label) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("it must be a host name, as in sip.example.com".into()),
    }
}

/// `44` or `+44`; up to seven digits, as some countries share a code.
pub(super) fn calling_code(text: &str) -> Result<String, String> {
    let text = text.trim();
    let digits = text.strip_prefix('+').unwrap_or(text);
    let fits = (1..=7).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    fits.then(|| digits.to_owned()).ok_or_else(|| "it must be country calling codes, as in 1,44".to_owned())
}

/// A label selector of Kubernetes.
pub(super) fn selector(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=!,() ".contains(&b);
    match text.trim() {
        selector if !selector.is_empty() && selector.bytes().all(plain) => Ok(selector.to_owned()),
        _ => Err("it must be a label selector, as in app=branchline".into()),
    }
}

pub(super) fn web(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|_| "it must be a URL".to_owned())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err("it must be an http or https URL".into()),
    }
}

pub(super) fn directives(text: &str) -> Result<String, String> {
    logs::filter(text).map(|_| text.to_owned())
}

/// It becomes a header.
pub(super) fn key(text: &str) -> Result<Secret, String> {
    match !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(text.parse().unwrap_or_else(|never| match never {})),
        false => Err("it must be printable characters without spaces".into()),
    }
}
