//! What the requests of each domain cost, read from what the node records, and the rates that follow from it.
//!
//! A recorder counts for its process: nodes that share one, as in the demo, and a domain, show the same figures.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};

/// What `actors/src/kernel/figures.rs` records.
const BUCKET: &str = "domain_request_duration_seconds_bucket{";
const COUNT: &str = "domain_request_duration_seconds_count{";

/// Rates are of the last so many seconds: long enough to be steady, short enough to see a change.
const WINDOW: Duration = Duration::from_secs(10);

/// Requests of one domain since its node started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// How many took at most so many seconds, by that number.
    pub(crate) within: Vec<(f64, u64)>,
}

/// How a domain does at the moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Pace {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) per_second: f64,
    pub(crate) failed_per_second: f64,
    pub(crate) refused_per_second: f64,
    /// Milliseconds; 0 without requests.
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

/// The counts of every domain, from metrics in Prometheus' text form.
pub(crate) fn counts(text: &str) -> BTreeMap<String, Counts> {
    let mut all: BTreeMap<String, Counts> = BTreeMap::new();
    for line in text.lines() {
        let (is_bucket, rest) = match (line.strip_prefix(BUCKET), line.strip_prefix(COUNT)) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => continue,
        };
        let Some((labels, value)) = rest.rsplit_once("} ") else { continue };
        let value: u64 = value.trim().parse().unwrap_or_default();
        let of = all.entry(label(labels, "domain").to_owned()).or_default();
        match (is_bucket, label(labels, "result")) {
            (true, _) => of.add(label(labels, "le"), value),
            (false, "failed") => (of.requests, of.failed) = (of.requests + value, of.failed + value),
            (false, "refused") => (of.requests, of.refused) = (of.requests + value, of.refused + value),
            (false, _) => of.requests += value,
        }
    }
    all
}

/// Names of domains and results need no escapes.
fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let mut pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"')).unwrap_or_default()
}

impl Counts {
    fn add(&mut self, le: &str, value: u64) {
        let Ok(le) = le.parse::<f64>() else { return };
        if !le.is_finite() {
            return;
        }
        match self.within.iter_mut().find(|(known, _)| *known == le) {
            Some((_, count)) => *count += value,
            None => self.within.push((le, value)),
        }
    }

    /// What came after `earlier`. A node that started anew begins at nothing.
    fn since(&self, earlier: &Counts) -> Counts {
        if self.requests < earlier.requests {
            return self.clone();
        }
        let before =
            |le: f64| earlier.within.iter().find(|(known, _)| *known == le).map_or(0, |found| found.1);
        let within = self.within.iter().map(|(le, count)| (*le, count.saturating_sub(before(*le)))).collect();
        Counts {
            requests: self.requests - earlier.requests,
            refused: self.refused.saturating_sub(earlier.refused),
            failed: self.failed.saturating_sub(earlier.failed),
            within,
        }
    }

    /// The time in milliseconds within which this share was done: the upper end of its bucket, or of the last.
    fn quantile(&self, share: f64) -> f64 {
        let wanted = share * self.requests as f64;
        let found = self.within.iter().find(|(_, count)| *count as f64 >= wanted);
        match found.or(self.within.last()) {
            Some((le, _)) if self.requests > 0 => le * 1000.0,
            _ => 0.0,
        }
    }
}

/// Turns counts that are read again and again into rates.
#[derive(Default)]
pub(crate) struct Paces(HashMap<(String, String), VecDeque<(Instant, Counts)>>);

impl Paces {
    /// The pace of a domain of a node whose counts are these now. The first reading has no rate.
    pub(crate) fn pace(&mut self, node: &str, domain: &str, now: &Counts, at: Instant) -> Pace {
        let seen = self.0.entry((node.to_owned(), domain.to_owned())).or_default();
        while seen.len() > 1 && seen.get(1).is_some_and(|(then, _)| at.duration_since(*then) >= WINDOW) {
            seen.pop_front();
        }
        let first = seen.front().cloned();
        seen.push_back((at, now.clone()));
        let (span, recent) = match first {
            Some((then, counts)) => (at.duration_since(then).as_secs_f64(), now.since(&counts)),
            None => (0.0, Counts::default()),
        };
        let rate = |count: u64| if span > 0.0 { count as f64 / span } else { 0.0 };
        Pace {
            requests: now.requests,
            failed: now.failed,
            per_second: rate(recent.requests),
            failed_per_second: rate(recent.failed),
            refused_per_second: rate(recent.refused),
            p50: recent.quantile(0.5),
            p95: recent.quantile(0.95),
            p99: recent.quantile(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# TYPE domain_request_duration_seconds histogram
domain_request_duration_seconds_bucket{domain=\"call-manager\",result=\"ok\",le=\"0.001\"} 50
domain_request_duration_seconds_bucket{domain=\"call-manager\",result=\"ok\",le=\"0.01\"} 98
domain_request_duration_seconds_bucket{domain=\"call-manager\",result=\"ok\",le=\"+Inf\"} 99
domain_request_duration_seconds_sum{domain=\"call-manager\",result=\"ok\"} 0.5
domain_request_duration_seconds_count{domain=\"call-manager\",result=\"ok\"} 99
domain_request_duration_seconds_bucket{domain=\"call-manager\",result=\"failed\",le=\"0.001\"} 0
domain_request_duration_seconds_bucket{domain=\"call-manager\",result=\"failed\",le=\"0.01\"} 1
domain_request_duration_seconds_count{domain=\"call-manager\",result=\"failed\"} 1
http_requests_total{method=\"GET\"} 7
";

    #[test]
    fn results_of_a_domain_add_up() {
        let all = counts(TEXT);
        let calls = &all["call-manager"];
        assert_eq!((calls.requests, calls.failed, calls.refused), (100, 1, 0));
        assert_eq!(calls.within, [(0.001, 50), (0.01, 99)]);
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn a_pace_is_of_the_last_seconds_only() {
        let (mut paces, start) = (Paces::default(), Instant::now());
        let counts = &counts(TEXT)["call-manager"];
        assert_eq!(paces.pace("n", "d", &Counts::default(), start).per_second, 0.0);
        let pace = paces.pace("n", "d", counts, start + Duration::from_secs(10));
        assert_eq!((pace.per_second, pace.failed_per_second), (10.0, 0.1));
        assert_eq!((pace.p50, pace.p95, pace.p99), (1.0, 10.0, 10.0));
        let quiet = paces.pace("n", "d", counts, start + Duration::from_secs(20));
        assert_eq!((quiet.per_second, quiet.p50, quiet.requests), (0.0, 0.0, 100));
        let anew = Counts { requests: 5, ..Counts::default() };
        assert_eq!(paces.pace("n", "d", &anew, start + Duration::from_secs(25)).requests, 5);
    }
}
