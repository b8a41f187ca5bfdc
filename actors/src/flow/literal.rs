//! What a field of an option may hold, written as JSON or spelt out by a variable.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// A type of option fields. Its default is what an absent field means.
pub(super) trait Literal: Default {
    /// Completes "must be ...".
    const WANTED: &'static str;
    const REASON: &'static str = "INVALID_ARGUMENT";

    /// From the JSON of a saved flow.
    fn literal(value: &Value) -> Option<Self>;

    /// From a text with its variables filled in. Texts are all that variables hold, so `"5"` is a number here.
    fn spelt(text: &str) -> Option<Self> {
        Self::literal(&Value::from(text))
    }
}

impl Literal for String {
    const WANTED: &'static str = "a text";
    fn literal(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl Literal for bool {
    const WANTED: &'static str = "true or false";
    fn literal(value: &Value) -> Option<Self> {
        value.as_bool()
    }
    fn spelt(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
}

impl Literal for i64 {
    const WANTED: &'static str = "an integer";
    fn literal(value: &Value) -> Option<Self> {
        value.as_i64()
    }
    fn spelt(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
}

impl Literal for f64 {
    const WANTED: &'static str = "a number";
    fn literal(value: &Value) -> Option<Self> {
        value.as_f64()
    }
    fn spelt(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }
}

impl Literal for Uuid {
    const WANTED: &'static str = "a UUID";
    fn literal(value: &Value) -> Option<Self> {
        match value.as_str()?.trim() {
            "" => Some(Uuid::nil()),
            text => text.parse().ok(),
        }
    }
}

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Milliseconds(pub(crate) u32);

impl Literal for Milliseconds {
    const WANTED: &'static str = "an integer of milliseconds";
    fn literal(value: &Value) -> Option<Self> {
        value.as_u64().and_then(|ms| u32::try_from(ms).ok()).map(Milliseconds)
    }
    fn spelt(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Milliseconds)
    }
}

/// Where a document or a sound is. Whether that place may be reached is decided when it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Url(pub(crate) String);

impl Literal for Url {
    const WANTED: &'static str = "an http or https URL";
    fn literal(value: &Value) -> Option<Self> {
        let text = value.as_str()?.trim();
        let (scheme, rest) = text.split_once("://")?;
        let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let sound = !rest.is_empty() && !rest.starts_with('/') && !text.contains(char::is_whitespace);
        (known && sound).then(|| Url(text.to_owned()))
    }
}

/// Keys to press, upper case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Keys(pub(crate) String);

/// The most keys one action presses (VoIPBIN's).
const KEYS: usize = 100;

impl Literal for Keys {
    const WANTED: &'static str = "at most 100 of 0-9, A-D, * and #";
    fn literal(value: &Value) -> Option<Self> {
        let keys = value.as_str()?.trim().to_ascii_uppercase();
        (keys.len() <= KEYS && keys.chars().all(is_key)).then_some(Keys(keys))
    }
}

/// One key of a telephone, A to D included.
pub(super) fn is_key(key: char) -> bool {
    matches!(key, '0'..='9' | 'A'..='D' | '*' | '#')
}

/// A closed set of words.
pub(super) trait Word: DeserializeOwned + Default {
    const WANTED: &'static str;
    const REASON: &'static str = "INVALID_ARGUMENT";
}

impl<T: Word> Literal for T {
    const WANTED: &'static str = T::WANTED;
    const REASON: &'static str = T::REASON;
    fn literal(value: &Value) -> Option<Self> {
        T::deserialize(value).ok()
    }
}
