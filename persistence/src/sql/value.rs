//! JSON values as SQL values. Lists, maps and JSON are kept as the text they were given as: MySQL's JSON type would
//! reorder keys and change numbers.

use std::sync::Arc;

use protocol::Kind;
use protocol::time::{self, Time};
use serde_json::Value;
use uuid::Uuid;

/// A value on its way into a statement, as a column of its kind holds it.
#[derive(Clone)]
pub(crate) enum Bound {
    Null,
    Id(Uuid),
    /// Shared, because a statement may be tried again.
    Text(Arc<str>),
    Int(i64),
    Bool(bool),
    Time(Time),
}

impl Bound {
    /// `None` for a value of another kind.
    pub(super) fn of(kind: Kind, value: &Value) -> Option<Self> {
        Some(match (kind, value) {
            (_, Value::Null) => Bound::Null,
            (Kind::Id, Value::String(text)) => Bound::Id(text.parse().ok()?),
            (Kind::Text | Kind::Choice(_), Value::String(text)) => Bound::Text(text.as_str().into()),
            (Kind::Int, _) => Bound::Int(value.as_i64()?),
            (Kind::Bool, Value::Bool(yes)) => Bound::Bool(*yes),
            (Kind::List, Value::Array(_)) | (Kind::Map, Value::Object(_)) | (Kind::Json, _) => {
                Bound::Text(value.to_string().into())
            }
            (Kind::Time, Value::String(text)) => Bound::Time(time::parse(text)?),
            _ => return None,
        })
    }
}
