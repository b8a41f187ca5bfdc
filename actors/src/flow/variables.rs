//! The text variables of one activeflow: flat names, `${name}` in options.
//!
//! Values are data. What a caller typed or a webhook answered is never searched for `${` again.

use std::collections::BTreeMap;

use protocol::{Error, Result};
use serde::{Deserialize, Serialize};

/// What the caller typed; also what a branch reads when it names no variable.
pub(crate) const DIGITS: &str = "voipbin.call.digits";
/// How many flows ran one after another by `on_complete_flow_id`.
const COMPLETE_COUNT: &str = "voipbin.activeflow.complete_count";
/// So many flows may follow one another; a circle of them ends here.
const COMPLETE_MOST: u32 = 5;
/// Names that only the platform gives values at creation.
const RESERVED: &str = "voipbin.";

/// VoIPBIN's limits for variables that come with a request. The sizes are bytes.
const EXTERNAL_KEYS: usize = 100;
const EXTERNAL_VALUE: usize = 32_768;
const EXTERNAL_TOTAL: usize = 65_536;
/// Names and values of one activeflow together, in bytes: it is journalled at every step.
pub(super) const TOTAL: usize = 262_144;

pub(crate) type Texts = BTreeMap<String, String>;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Variables(Texts);

/// Why the variables of a request were left out. The flow starts without them, as VoIPBIN's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    Count,
    ValueSize,
    Total,
    Merged,
}

impl Variables {
    /// The variables of a new activeflow. The later part wins: those of the flow before it, those of the
    /// request, those of the platform.
    pub(crate) fn seed(
        before: Option<&Variables>,
        external: Texts,
        system: Texts,
    ) -> (Self, Option<LeftOut>) {
        let mut base = before.map(|variables| variables.0.clone()).unwrap_or_default();
        let external = accepted(external);
        if let Ok(external) = &external {
            let mut merged = base.clone();
            merged.extend(external.clone());
            merged.extend(system.clone());
            if size(&merged) <= TOTAL {
                return (Variables(merged), None);
            }
        }
        base.extend(system);
        (Variables(base), Some(external.err().unwrap_or(LeftOut::Merged)))
    }

    /// The value, or nothing: an unknown name is an empty text.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(crate) fn all(&self) -> &Texts {
        &self.0
    }

    /// Sets several at once or none: together they must stay within 256 KiB.
    pub(super) fn set(&mut self, values: Texts) -> Result<()> {
        let replaced = |name: &String| self.0.get(name).map_or(0, |old| name.len() + old.len());
        let freed: usize = values.keys().map(replaced).sum();
        if size(&self.0) - freed + size(&values) > TOTAL {
            return Err(Error::invalid(format!(
                "the variables must not be larger than {TOTAL} bytes together"
            )));
        }
        self.0.extend(values);
        Ok(())
    }

    /// For the few short texts that the interpreter itself keeps here.
    pub(super) fn put(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// The count for a flow that follows this one, or `None` when no more may follow.
    pub(crate) fn next_complete_count(&self) -> Option<u32> {
        let text = self.get(COMPLETE_COUNT).trim();
        let digits = text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let count = match (text, digits) {
            ("", _) => 0,
            (_, digits) => digits.parse::<u32>().ok()?,
        };
        count.checked_add(1).filter(|next| *next < COMPLETE_MOST)
    }
}

fn accepted(external: Texts) -> Result<Texts, LeftOut> {
    let kept: Texts = external
        .into_iter()
        .map(|(name, value)| (name.trim().to_owned(), value))
        .filter(|(name, _)| !name.is_empty() && !is_reserved(name))
        .collect();
    if kept.values().any(|value| value.len() > EXTERNAL_VALUE) {
        return Err(LeftOut::ValueSize);
    }
    if kept.len() > EXTERNAL_KEYS {
        return Err(LeftOut::Count);
    }
    if size(&kept) > EXTERNAL_TOTAL {
        return Err(LeftOut::Total);
    }
    Ok(kept)
}

fn is_reserved(name: &str) -> bool {
    name.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED))
}

fn size(texts: &Texts) -> usize {
    texts.iter().map(|(name, value)| name.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn names_from_outside_are_trimmed_and_reserved_ones_dropped() {
        let external = texts(&[("VoipBin.x", "1"), (" k ", "v"), ("", "z"), ("  ", "y")]);
        let (seeded, left_out) = Variables::seed(None, external, Texts::new());
        assert_eq!((seeded.all(), left_out), (&texts(&[("k", "v")]), None));
    }

    fn check(external: Texts, expected: LeftOut) {
        let system = texts(&[("voipbin.activeflow.id", "1")]);
        let (seeded, left_out) = Variables::seed(None, external, system.clone());
        assert_eq!((seeded.all(), left_out), (&system, Some(expected)));
    }

    #[test]
    fn one_variable_too_large_leaves_all_of_them_out() {
        check((0..101).map(|n| (n.to_string(), String::new())).collect(), LeftOut::Count);
        check(texts(&[("small", "1"), ("large", &"x".repeat(32_769))]), LeftOut::ValueSize);
        check((0..3).map(|n| (n.to_string(), "x".repeat(30_000))).collect(), LeftOut::Total);
        let hundred = (0..100).map(|n| (n.to_string(), String::new())).collect();
        assert_eq!(Variables::seed(None, hundred, Texts::new()).1, None);
    }

    #[test]
    fn what_does_not_fit_beside_the_inherited_is_left_out() {
        let before = Variables(texts(&[("old", &"x".repeat(TOTAL - 3_000))]));
        let (seeded, left_out) =
            Variables::seed(Some(&before), texts(&[("k", &"y".repeat(4_000))]), Texts::new());
        assert_eq!((seeded, left_out), (before, Some(LeftOut::Merged)));
    }

    #[test]
    fn the_later_source_wins() {
        let before = Variables(texts(&[("a", "before"), ("b", "before"), ("voipbin.activeflow.id", "1")]));
        let external = texts(&[("b", "request")]);
        let (seeded, _) = Variables::seed(Some(&before), external, texts(&[("voipbin.activeflow.id", "2")]));
        assert_eq!(seeded.0, texts(&[("a", "before"), ("b", "request"), ("voipbin.activeflow.id", "2")]));
    }

    #[test]
    fn a_set_that_does_not_fit_changes_nothing() {
        let mut variables = Variables(texts(&[("a", "1")]));
        assert!(variables.set(texts(&[("a", "2"), ("b", &"x".repeat(TOTAL))])).is_err());
        assert_eq!(variables.0, texts(&[("a", "1")]));
        assert!(variables.set(texts(&[("a", &"x".repeat(TOTAL - 1))])).is_ok());
        assert!(variables.set(texts(&[("a", "short again")])).is_ok());
    }

    #[test]
    fn flows_follow_one_another_four_times() {
        for (count, next) in [("", Some(1)), ("0", Some(1)), ("2.1", Some(3)), ("3", Some(4)), ("4", None)] {
            assert_eq!(Variables(texts(&[(COMPLETE_COUNT, count)])).next_complete_count(), next, "{count}");
        }
        assert_eq!(Variables(texts(&[(COMPLETE_COUNT, "many")])).next_complete_count(), None);
    }
}
