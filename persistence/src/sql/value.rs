//! JSON values to SQL values and back. Lists, maps and JSON are kept as the text they were given as:
//! MySQL's JSON type would reorder keys and change numbers.

use protocol::Kind;
use protocol::time::{self, Time};
use serde_json::Value;
use sqlx::{Arguments as _, ColumnIndex, Database, Decode, Encode, Row as _, Type};
use uuid::Uuid;

/// What a database stores and reads as it is.
pub(super) trait Stored<D: Database>: for<'q> Encode<'q, D> + for<'r> Decode<'r, D> + Type<D> {}

impl<T, D: Database> Stored<D> for T where T: for<'q> Encode<'q, D> + for<'r> Decode<'r, D> + Type<D> {}

/// Binds a value of this kind, or answers `None` for one of another kind. `moment` is the dialect's time.
pub(super) fn push<D, T>(
    args: &mut D::Arguments,
    kind: Kind,
    value: &Value,
    moment: impl FnOnce(Time) -> T,
) -> Option<()>
where
    D: Database,
    Option<Uuid>: Stored<D>,
    Option<String>: Stored<D>,
    Option<i64>: Stored<D>,
    Option<bool>: Stored<D>,
    Option<T>: Stored<D>,
{
    match kind {
        Kind::Id => args.add(optional(value, |v| v.as_str()?.parse::<Uuid>().ok())?),
        Kind::Text | Kind::Choice(_) => args.add(optional(value, |v| v.as_str().map(str::to_owned))?),
        Kind::Int => args.add(optional(value, Value::as_i64)?),
        Kind::Bool => args.add(optional(value, Value::as_bool)?),
        Kind::List => args.add(optional(value, |v| v.is_array().then(|| v.to_string()))?),
        Kind::Map => args.add(optional(value, |v| v.is_object().then(|| v.to_string()))?),
        Kind::Json => args.add(optional(value, |v| Some(v.to_string()))?),
        Kind::Time => args.add(optional(value, |v| time::parse(v.as_str()?))?.map(moment)),
    }
    .ok()
}

/// Reads column `at`. `moment` turns the dialect's time into ours.
pub(super) fn pull<D, T>(
    row: &D::Row,
    at: usize,
    kind: Kind,
    moment: impl FnOnce(T) -> Option<Time>,
) -> sqlx::Result<Value>
where
    D: Database,
    usize: ColumnIndex<D::Row>,
    Option<Uuid>: Stored<D>,
    Option<String>: Stored<D>,
    Option<i64>: Stored<D>,
    Option<bool>: Stored<D>,
    Option<T>: Stored<D>,
{
    Ok(match kind {
        Kind::Id => row.try_get::<Option<Uuid>, _>(at)?.map(|id| id.to_string()).into(),
        Kind::Text | Kind::Choice(_) => row.try_get::<Option<String>, _>(at)?.into(),
        Kind::Int => row.try_get::<Option<i64>, _>(at)?.into(),
        Kind::Bool => row.try_get::<Option<bool>, _>(at)?.into(),
        Kind::List | Kind::Map | Kind::Json => match row.try_get::<Option<String>, _>(at)? {
            Some(text) => serde_json::from_str(&text).map_err(|cause| sqlx::Error::Decode(cause.into()))?,
            None => Value::Null,
        },
        Kind::Time => row.try_get::<Option<T>, _>(at)?.and_then(moment).map(time::stamp).into(),
    })
}

fn optional<T>(value: &Value, read: impl FnOnce(&Value) -> Option<T>) -> Option<Option<T>> {
    if value.is_null() { Some(None) } else { read(value).map(Some) }
}
