//! One column of a resource: its kind, who may write it, and what it may hold.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Error, Result, time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Id,
    Text,
    Int,
    Bool,
    /// A JSON array; an absent one is `[]`.
    List,
    /// A JSON object; an absent one is `{}`.
    Map,
    /// Any JSON; an absent one is `null`.
    Json,
    Time,
    /// One of a closed set of texts.
    Choice(&'static [&'static str]),
}

/// The longest text of a plain field, in bytes. Filters are shorter: MySQL indexes 255 characters.
const TEXT_LIMIT: usize = 65_535;
const FILTER_LIMIT: usize = 255;
/// The largest JSON value of a field, as bytes of text.
const JSON_LIMIT: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub create: bool,
    pub update: bool,
    /// May appear in a filter of a list.
    pub filter: bool,
    pub required: bool,
    /// Never leaves the platform: not in replies, webhooks or sockets.
    pub internal: bool,
    /// Encrypted before it is stored, leaves only in the answer to its creation, never logged.
    pub secret: bool,
    /// The resource that the id names; a foreign one equals an absent one.
    pub of: Option<&'static str>,
    /// Unique among the live rows of the platform.
    pub unique: bool,
    pub initially: Option<&'static str>,
    check: Option<fn(&Value) -> Result<()>>,
}

impl Field {
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Field {
            name,
            kind,
            create: false,
            update: false,
            filter: false,
            required: false,
            internal: false,
            secret: false,
            of: None,
            unique: false,
            initially: None,
            check: None,
        }
    }
    pub const fn id(name: &'static str) -> Self {
        Self::new(name, Kind::Id)
    }
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }
    pub const fn int(name: &'static str) -> Self {
        Self::new(name, Kind::Int)
    }
    pub const fn bool(name: &'static str) -> Self {
        Self::new(name, Kind::Bool)
    }
    pub const fn list(name: &'static str) -> Self {
        Self::new(name, Kind::List)
    }
    pub const fn map(name: &'static str) -> Self {
        Self::new(name, Kind::Map)
    }
    pub const fn json(name: &'static str) -> Self {
        Self::new(name, Kind::Json)
    }
    pub const fn time(name: &'static str) -> Self {
        Self::new(name, Kind::Time)
    }
    pub const fn choice(name: &'static str, of: &'static [&'static str]) -> Self {
        Self::new(name, Kind::Choice(of))
    }
    /// Given at creation, fixed afterwards.
    pub const fn create(mut self) -> Self {
        self.create = true;
        self
    }
    /// Given at creation and changeable.
    pub const fn edit(mut self) -> Self {
        self.create = true;
        self.update = true;
        self
    }
    /// Only changeable, never given at creation.
    pub const fn update(mut self) -> Self {
        self.update = true;
        self
    }
    pub const fn filter(mut self) -> Self {
        self.filter = true;
        self
    }
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
    pub const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
    pub const fn of(mut self, resource: &'static str) -> Self {
        self.of = Some(resource);
        self
    }
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self.filter = true;
        self
    }
    /// The text of a new row in which the field was not given.
    pub const fn initially(mut self, text: &'static str) -> Self {
        self.initially = Some(text);
        self
    }
    /// A rule beyond the kind. Its error says what the value must be; the field's name is added here.
    pub const fn check(mut self, check: fn(&Value) -> Result<()>) -> Self {
        self.check = Some(check);
        self
    }

    /// Is stored in a short, indexable column.
    pub const fn is_short(&self) -> bool {
        self.filter || self.unique || matches!(self.kind, Kind::Choice(_))
    }

    /// The value of a new row in which the field was not given.
    pub fn zero(&self) -> Value {
        match self.kind {
            Kind::Id => json!(Uuid::nil()),
            Kind::Text | Kind::Choice(_) => json!(self.initially.unwrap_or_default()),
            Kind::Int => json!(0),
            Kind::Bool => json!(false),
            Kind::List => json!([]),
            Kind::Map => json!({}),
            Kind::Json | Kind::Time => Value::Null,
        }
    }

    /// Brings a value from outside into its stored form, or says what is wrong with it.
    pub fn admit(&self, value: Value) -> Result<Value> {
        let value = if value.is_null() { self.zero() } else { self.kind_of(value)? };
        let limit = match self.kind {
            Kind::Text if self.is_short() => FILTER_LIMIT,
            Kind::Text => TEXT_LIMIT,
            Kind::List | Kind::Map | Kind::Json => JSON_LIMIT,
            Kind::Id | Kind::Int | Kind::Bool | Kind::Time | Kind::Choice(_) => usize::MAX,
        };
        if size(&value) > limit {
            return Err(Error::invalid(format!("{} must not be longer than {limit} bytes", self.name)));
        }
        if let Some(check) = self.check {
            check(&value).map_err(|mut error| {
                error.message = format!("{} {}", self.name, error.message);
                error
            })?;
        }
        Ok(value)
    }

    fn kind_of(&self, value: Value) -> Result<Value> {
        let wanted = match (self.kind, &value) {
            // clients of VoIPBIN send an id that they leave unset as an empty text
            (Kind::Id, Value::String(text)) if text.is_empty() => return Ok(self.zero()),
            (Kind::Id, Value::String(text)) => match text.parse::<Uuid>() {
                Ok(id) => return Ok(json!(id)),
                Err(_) => "a UUID",
            },
            (Kind::Time, Value::String(text)) => match time::parse(text) {
                Some(time) => return Ok(json!(time::stamp(time))),
                None => "an RFC 3339 time",
            },
            (Kind::Choice(of), Value::String(text)) if !of.contains(&text.as_str()) => {
                return Err(Error::invalid(format!("{} must be one of {}", self.name, of.join(", "))));
            }
            (Kind::Text | Kind::Choice(_), Value::String(_))
            | (Kind::Bool, Value::Bool(_))
            | (Kind::List, Value::Array(_))
            | (Kind::Map, Value::Object(_))
            | (Kind::Json, _) => return Ok(value),
            (Kind::Int, Value::Number(number)) if number.is_i64() => return Ok(value),
            (Kind::Id, _) => "a UUID",
            (Kind::Time, _) => "an RFC 3339 time",
            (Kind::Text | Kind::Choice(_), _) => "a text",
            (Kind::Int, _) => "an integer",
            (Kind::Bool, _) => "true or false",
            (Kind::List, _) => "an array",
            (Kind::Map, _) => "an object",
        };
        Err(Error::invalid(format!("{} must be {wanted}", self.name)))
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(_) | Value::Object(_) => value.to_string().len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: Field, value: Value, expected: Result<Value, &str>) {
        let got = field.admit(value.clone()).map_err(|e| e.message);
        assert_eq!(got, expected.map_err(str::to_owned), "{value}");
    }

    #[test]
    fn values_are_admitted_by_kind() {
        let id = "0190F3A0-0000-7000-8000-000000000001";
        check(Field::id("a"), json!(id), Ok(json!(id.to_lowercase())));
        check(Field::id("a"), json!("x"), Err("a must be a UUID"));
        check(Field::id("a"), Value::Null, Ok(json!(Uuid::nil())));
        check(Field::id("a"), json!(""), Ok(json!(Uuid::nil())));
        check(Field::int("a"), json!(1.5), Err("a must be an integer"));
        check(Field::text("a").filter(), json!("x".repeat(256)), Err("a must not be longer than 255 bytes"));
        check(Field::choice("a", &["x", "y"]), json!("z"), Err("a must be one of x, y"));
        check(Field::time("a"), json!("2026-01-01T00:00:00Z"), Ok(json!("2026-01-01T00:00:00.000000Z")));
        check(Field::list("a"), json!({}), Err("a must be an array"));
    }
}
