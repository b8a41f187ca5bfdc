//! Values as a store keeps them. Lists, maps and JSON are kept as the text they were given as: MySQL's JSON type would
//! reorder keys and change numbers.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::Kind;
use crate::time::{self, Time};

/// A value on its way into the store, as a column of its kind holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    Null,
    Id(Uuid),
    Text(String),
    Int(i64),
    Bool(bool),
    Time(Time),
}

impl Bound {
    /// `None` for a value of another kind.
    pub fn of(kind: Kind, value: &Value) -> Option<Self> {
        Some(match (kind, value) {
            (_, Value::Null) => Bound::Null,
            (Kind::Id, Value::String(text)) => Bound::Id(text.parse().ok()?),
            (Kind::Text | Kind::Choice(_), Value::String(text)) => Bound::Text(text.clone()),
            (Kind::Int, _) => Bound::Int(value.as_i64()?),
            (Kind::Bool, Value::Bool(yes)) => Bound::Bool(*yes),
            (Kind::List, Value::Array(_)) | (Kind::Map, Value::Object(_)) | (Kind::Json, _) => {
                Bound::json(value)
            }
            (Kind::Time, Value::String(text)) => Bound::Time(time::parse(text)?),
            _ => return None,
        })
    }

    /// For a column of JSON. What cannot be written as JSON, which no value of JSON is, is unset.
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) if text != "null" => Bound::Text(text),
            Ok(_) | Err(_) => Bound::Null,
        }
    }
}

impl From<Uuid> for Bound {
    fn from(id: Uuid) -> Self {
        Bound::Id(id)
    }
}

impl From<&str> for Bound {
    fn from(text: &str) -> Self {
        Bound::Text(text.to_owned())
    }
}

impl From<String> for Bound {
    fn from(text: String) -> Self {
        Bound::Text(text)
    }
}

impl From<i64> for Bound {
    fn from(number: i64) -> Self {
        Bound::Int(number)
    }
}

impl From<u32> for Bound {
    fn from(number: u32) -> Self {
        Bound::Int(number.into())
    }
}

impl From<Time> for Bound {
    fn from(time: Time) -> Self {
        Bound::Time(time)
    }
}
