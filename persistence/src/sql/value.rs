//! JSON values to SQL values and back. Lists, maps and JSON are kept as the text they were given as:
//! MySQL's JSON type would reorder keys and change numbers.

use std::sync::Arc;

use protocol::Kind;
use protocol::time::{self, Time};
use serde_json::Value;
use sqlx::{Arguments as _, ColumnIndex, Database, Decode, Encode, Row as _, Type};
use uuid::Uuid;

/// What a database stores and reads as it is.
pub(super) trait Stored<D: Database>: for<'q> Encode<'q, D> + for<'r> Decode<'r, D> + Type<D> {}

impl<T, D: Database> Stored<D> for T where T: for<'q> Encode<'q, D> + for<'r> Decode<'r, D> + Type<D> {}

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

/// The arguments of a statement. `moment` is the dialect's time.
pub(super) fn arguments<'v, D, T>(
    values: impl IntoIterator<Item = &'v Bound>,
    moment: impl Fn(Time) -> T,
) -> sqlx::Result<D::Arguments>
where
    D: Database,
    Option<i64>: Stored<D>,
    Uuid: Stored<D>,
    Arc<str>: for<'q> Encode<'q, D> + Type<D>,
    i64: Stored<D>,
    bool: Stored<D>,
    T: Stored<D>,
{
    let mut arguments = D::Arguments::default();
    for value in values {
        match value {
            Bound::Null => arguments.add(None::<i64>),
            Bound::Id(id) => arguments.add(*id),
            Bound::Text(text) => arguments.add(text.clone()),
            Bound::Int(number) => arguments.add(*number),
            Bound::Bool(yes) => arguments.add(*yes),
            Bound::Time(time) => arguments.add(moment(*time)),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
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
